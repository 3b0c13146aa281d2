"""Open a record in an emergency, end that early, and judge what others opened."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from compliance.errors import DomainError, EmergencyRefused
from compliance.models import User
from compliance.selectors.emergency import REVIEW, emergencies_for
from compliance.selectors.policy import active_policy
from compliance.services.accesses import record_access, record_list_access
from compliance.services.emergency import end_access, note_guess, open_record, refuse_when_guessing, review
from compliance.views.access import require, signed_in, visible_or_404
from compliance.views.emergency_forms import EmergencyForm, ReviewForm
from compliance.views.step_up import require_fresh

BREAK_GLASS = "compliance.break_glass"


@require_http_methods(["GET", "POST"])
def open_emergency(request: HttpRequest) -> HttpResponse:
    """Ask who and why (GET) and open the record (POST). Asks for a second factor before anything is typed."""
    user = require(request, BREAK_GLASS)
    require_fresh(request)
    glass = active_policy().break_glass
    form = EmergencyForm(request.POST or None, reasons=glass.reasons)
    problem, status = "", 200
    if request.method == "POST":
        problem, status = "Fill in what is marked.", 400
        if form.is_valid():
            try:
                return _opened(user, form)
            except DomainError as error:
                problem, status = error.message, error.http_status
    context = {"form": form, "problem": problem, "minutes": glass.minutes}
    return render(request, "compliance/emergency.html", context, status=status)


def _opened(user: User, form: EmergencyForm) -> HttpResponse:
    now = timezone.now()
    refuse_when_guessing(user, now)
    try:
        patient = open_record(user=user, now=now, **form.cleaned_data)
    except EmergencyRefused:
        note_guess(user)
        raise
    return HttpResponseRedirect(f"/patients/{patient.pk}/")


@require_POST
def end(request: HttpRequest, access_id: UUID) -> HttpResponse:
    """End one's own emergency access."""
    end_access(access_id=access_id, user=signed_in(request), now=timezone.now())
    messages.success(request, "The record is closed again.")
    return HttpResponseRedirect("/")


@require_GET
def reviews(request: HttpRequest) -> HttpResponse:
    """List the emergency accesses in the reader's wards, those to judge first."""
    user = require(request, REVIEW)
    found = emergencies_for(user)
    waiting, judged = list(found.filter(reviewed_at=None)), list(found.exclude(reviewed_at=None)[:100])
    named = [access.patient_id for access in (*waiting, *judged)]
    record_list_access(user=user, patients=named, what="emergency_reviews")
    context = {"waiting": waiting, "judged": judged}
    return render(request, "compliance/emergency_reviews.html", context)


@require_http_methods(["GET", "POST"])
def review_one(request: HttpRequest, access_id: UUID) -> HttpResponse:
    """Show one emergency access with its explanation, and judge it."""
    user = require(request, REVIEW)
    access = visible_or_404(emergencies_for(user), pk=access_id)
    record_access(user=user, patient=access.patient, what="emergency_review")
    form = ReviewForm(request.POST or None)
    problem = ""
    if request.method == "POST" and form.is_valid():
        justified, note = form.cleaned_data["verdict"] == "justified", form.cleaned_data["note"]
        try:
            review(access=access, by=user, justified=justified, note=note, now=timezone.now())
        except DomainError as error:
            problem = error.message
        else:
            messages.success(request, "Judged. It stays in this list and in the log.")
            return HttpResponseRedirect(reverse("compliance:emergency_reviews"))
    wrong = bool(problem or form.errors)
    context = {"access": access, "form": form, "problem": problem}
    return render(request, "compliance/emergency_review.html", context, status=400 if wrong else 200)
