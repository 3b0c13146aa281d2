"""What a patient asks about the own record, and what was answered."""

from __future__ import annotations

from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from compliance.errors import DomainError
from compliance.privacy.purposes import How
from compliance.privacy.requests import RequestKind, RequestState
from compliance.selectors.privacy_requests import own_requests
from compliance.services.accesses import record_access
from compliance.services.privacy_requests import ask, withdraw
from compliance.views.access import signed_in, visible_or_404
from compliance.views.own_record import own_patient_or_404
from compliance.views.privacy_forms import AskForm
from compliance.views.privacy_request_words import KINDS, OWN_STATES


@require_http_methods(["GET", "POST"])
def own_requests_page(request: HttpRequest) -> HttpResponse:
    """List what the patient asked, with answers, and take what is asked in words alone."""
    patient = own_patient_or_404(request)
    record_access(user=request.user, patient=patient, what="privacy_request")
    form = AskForm(request.POST or None)
    problem = ""
    if request.method == "POST":
        problem = "Fill in what is marked."
        if form.is_valid():
            kind, words = RequestKind(form.cleaned_data["kind"]), form.cleaned_data["words"]
            try:
                ask(patient=patient, kind=kind, user=signed_in(request), how=How.SELF, words=words, now=timezone.now())
            except DomainError as error:
                problem = error.message
            else:
                messages.success(request, "Thank you. You get an answer within 30 days, on this page.")
                return HttpResponseRedirect(reverse("compliance:own_requests"))
    lines = [
        (row, KINDS[RequestKind(row.kind)], OWN_STATES[RequestState(row.state)], row.state == RequestState.OPEN)
        for row in own_requests(patient)
    ]
    with timezone.override(ZoneInfo(patient.time_zone)):
        context = {"lines": lines, "form": form, "problem": problem}
        return render(request, "compliance/own_requests.html", context, status=400 if problem else 200)


@require_POST
def take_back(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Take a request back that nobody decided yet."""
    patient = own_patient_or_404(request)
    found = visible_or_404(own_requests(patient), pk=request_id)
    record_access(user=request.user, patient=patient, what="privacy_request")
    try:
        withdraw(request=found, user=signed_in(request), now=timezone.now())
    except DomainError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "Taken back. Nothing changes.")
    return HttpResponseRedirect(reverse("compliance:own_requests"))
