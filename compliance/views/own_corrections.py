"""A patient calls something in the own record wrong, and says so again where the house refused."""

from __future__ import annotations

from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from compliance.errors import DomainError
from compliance.privacy.corrections import CorrectionPart
from compliance.privacy.purposes import How
from compliance.selectors.privacy_requests import own_requests
from compliance.services.accesses import record_access
from compliance.services.corrections import ask_correction, disagree
from compliance.views.access import signed_in, visible_or_404
from compliance.views.correction_forms import CorrectionForm, DisagreeForm
from compliance.views.own_record import own_patient_or_404


@require_http_methods(["GET", "POST"])
def ask_for_correction(request: HttpRequest) -> HttpResponse:
    """Take what is wrong, what stands there and what is right."""
    patient = own_patient_or_404(request)
    record_access(user=request.user, patient=patient, what="privacy_request")
    form, problem, status = CorrectionForm(request.POST or None), "", 200
    if request.method == "POST":
        problem, status = "Fill in what is marked.", 400
        if form.is_valid():
            said = form.cleaned_data
            try:
                ask_correction(
                    patient=patient, part=CorrectionPart(said["part"]), stands=said["stands"], right=said["right"],
                    user=signed_in(request), how=How.SELF, now=timezone.now(),
                )  # fmt: skip
            except DomainError as error:
                form.add_error("right", error.message)
            else:
                messages.success(request, "Thank you. You get an answer within 30 days, on this page.")
                return HttpResponseRedirect(reverse("compliance:own_requests"))
    context = {"form": form, "problem": problem}
    return render(request, "compliance/own_correction.html", context, status=status)


@require_http_methods(["GET", "POST"])
def disagree_page(request: HttpRequest, correction_id: UUID) -> HttpResponse:
    """Take a statement of disagreement with a refusal."""
    patient = own_patient_or_404(request)
    found = visible_or_404(own_requests(patient).filter(correction__isnull=False), pk=correction_id)
    record_access(user=request.user, patient=patient, what="privacy_request")
    form, problem, status = DisagreeForm(request.POST or None), "", 200
    if request.method == "POST":
        problem, status = "Write your statement first.", 400
        if form.is_valid():
            try:
                words = form.cleaned_data["words"]
                disagree(request=found, user=signed_in(request), words=words, now=timezone.now())
            except DomainError as error:
                problem, status = error.message, error.http_status
            else:
                messages.success(request, "Your statement stands with your record from now on.")
                return HttpResponseRedirect(reverse("compliance:own_requests"))
    context = {"form": form, "problem": problem, "found": found}
    context["may"] = found.state == "refused" and found.correction.disagreed_at is None
    with timezone.override(ZoneInfo(patient.time_zone)):
        return render(request, "compliance/own_disagreement.html", context, status=status)
