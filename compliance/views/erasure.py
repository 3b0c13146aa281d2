"""Decide an erasure, follow it, and what stands on a patient's privacy page for staff: requests, holds, paper."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from compliance.errors import DomainError
from compliance.models import Erasure, Patient, PrivacyRequest, User
from compliance.privacy.erasers import obstacles_of, part_of
from compliance.privacy.grounds import GROUNDS, UNBOUND
from compliance.privacy.purposes import How
from compliance.privacy.requests import RequestKind, RequestState
from compliance.selectors.corrections import notes_on
from compliance.selectors.identities import with_number
from compliance.selectors.privacy_requests import MANAGE, holds_for, own_requests, records_for, requests_for
from compliance.selectors.retention import holds_on, is_held, plan_for
from compliance.services.accesses import record_access
from compliance.services.erasure import approve_erasure
from compliance.services.holds import lift_hold, place_hold
from compliance.services.privacy_requests import ask, decide
from compliance.views.access import require, visible_or_404
from compliance.views.erasure_forms import ApproveForm, FindForm, PaperForm, ReasonForm, RefuseForm
from compliance.views.privacy_request_words import line_of
from compliance.views.step_up import require_fresh


@require_http_methods(["GET", "POST"])
def erasure_page(request: HttpRequest, erasure_id: UUID) -> HttpResponse:
    """Show what an erasure would do, decide it, and show how far it is. Named by its request."""
    user = require(request, MANAGE)
    found = visible_or_404(requests_for(user), pk=erasure_id, kind=RequestKind.ERASURE)
    if found.ward_id is None:
        record_access(user=user, patient=found.patient, what="privacy_request")
    act, problem, status, now = request.POST.get("act", ""), "", 200, timezone.now()
    asked: dict[str, forms.Form] = {
        "approve": ApproveForm(request.POST if act == "approve" else None),
        "refuse": RefuseForm(request.POST if act == "refuse" else None),
    }
    if request.method == "POST":
        require_fresh(request)
        problem, status = "Fill in what is marked.", 400
        if act in asked and asked[act].is_valid():
            try:
                messages.success(request, _decide(act, found, user, asked[act].cleaned_data, now))
                return HttpResponseRedirect(request.path)
            except DomainError as error:
                problem, status = error.message, error.http_status
    context = {"forms": asked, "problem": problem, "own": found.asked_by_id == user.pk, **_standing(found, now)}
    return render(request, "compliance/erasure.html", context, status=status)


def _decide(act: str, found: PrivacyRequest, user: User, said: dict[str, str], now: datetime) -> str:
    if act == "refuse":
        decide(request=found, by=user, granted=False, answer=said["answer"], now=now)
        return "Refused. The patient reads why."
    approve_erasure(
        request=found, by=user, ground=said["ground"], unbound=said["unbound"], answer=said["answer"], now=now
    )
    return "Approved. The record is being erased; this page shows how far it is."


def _standing(found: PrivacyRequest, now: datetime) -> dict[str, object]:
    erasure = Erasure.objects.filter(request=found).select_related("approved_by").first()
    line = line_of(found, now)
    if erasure is not None:
        steps = [(step, part_of(step.part)) for step in erasure.steps.all()]
        words = {"ground_words": GROUNDS.get(erasure.ground, ""), "unbound_words": UNBOUND[erasure.unbound]}
        return {"line": line, "found": found, "erasure": erasure, "steps": steps, **words}
    if found.state != RequestState.OPEN:
        return {"line": line, "found": found}
    plan = plan_for(found.patient_id, now)
    return {
        "line": line,
        "found": found,
        "open": True,
        "held": is_held(found.patient_id),
        "obstacles": obstacles_of(found.patient_id),
        "now": [one for one in plan if one.not_before is None],
        "later": [one for one in plan if one.not_before is not None],
    }


@require_POST
def find(request: HttpRequest) -> HttpResponse:
    """Lead to the privacy page of a record by its number, which stands in no address."""
    user = require(request, MANAGE)
    form = FindForm(request.POST)
    number = form.cleaned_data["record_number"] if form.is_valid() else ""
    patient = with_number(number, records_for(user)).first() if number else None
    if patient is None:
        messages.error(request, "No record of your wards has this number. Look at the wristband or the papers again.")
        return HttpResponseRedirect(reverse("compliance:privacy"))
    return HttpResponseRedirect(reverse("compliance:privacy_patient", args=[patient.pk]))


@require_http_methods(["GET", "POST"])
def patient_page(request: HttpRequest, patient_id: UUID) -> HttpResponse:
    """Show a patient's requests and holds; place a hold, or enter a request that came on paper."""
    user = require(request, MANAGE)
    patient = visible_or_404(records_for(user), pk=patient_id)
    record_access(user=user, patient=patient, what="privacy_request")
    act, problem, status, now = request.POST.get("act", ""), "", 200, timezone.now()
    asked: dict[str, forms.Form] = {
        "hold": ReasonForm(request.POST if act == "hold" else None, auto_id="hold_%s"),
        "paper": PaperForm(request.POST if act == "paper" else None),
    }
    if request.method == "POST":
        require_fresh(request)
        problem, status = "Fill in what is marked.", 400
        if act in asked and asked[act].is_valid():
            try:
                messages.success(request, _enter(act, patient, user, asked[act].cleaned_data, now))
                return HttpResponseRedirect(request.path)
            except DomainError as error:
                problem, status = error.message, error.http_status
    context = {
        "patient": patient,
        "lines": [line_of(row, now) for row in own_requests(patient).select_related("patient__ward")],
        "holds": holds_on(patient),
        "disputes": notes_on(patient),
        "forms": asked,
        "lift": ReasonForm(auto_id="lift_%s"),
        "problem": problem,
    }
    return render(request, "compliance/privacy_patient.html", context, status=status)


def _enter(act: str, patient: Patient, user: User, said: dict[str, str], now: datetime) -> str:
    if act == "hold":
        place_hold(patient=patient, by=user, reason=said["reason"], now=now)
        return "A legal hold lies on this record. Nothing of it is erased until somebody lifts it."
    ask(patient=patient, kind=RequestKind(said["kind"]), user=user, how=How.PAPER, words=said["words"], now=now)
    return "Entered. Somebody else who answers for privacy decides it."


@require_POST
def lift(request: HttpRequest, hold_id: int) -> HttpResponse:
    """Lift a hold with a reason."""
    user = require(request, MANAGE)
    hold = visible_or_404(holds_for(user), pk=hold_id)
    record_access(user=user, patient=hold.patient, what="privacy_request")
    require_fresh(request)
    try:
        lift_hold(hold=hold, by=user, reason=request.POST.get("reason", ""), now=timezone.now())
    except DomainError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "The hold is lifted.")
    return HttpResponseRedirect(reverse("compliance:privacy_patient", args=[hold.patient_id]))
