"""A patient asks to be erased: one form that says what goes, what stays, and until when."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from compliance.errors import DomainError
from compliance.models import PrivacyRequest
from compliance.privacy.purposes import How
from compliance.privacy.requests import WAITING, RequestKind
from compliance.selectors.retention import plan_for
from compliance.services.accesses import record_access
from compliance.services.privacy_requests import ask
from compliance.views.access import signed_in
from compliance.views.erasure_forms import AskErasureForm
from compliance.views.own_account import require_own_proof
from compliance.views.own_record import own_patient_or_404


@require_http_methods(["GET", "POST"])
def ask_erasure(request: HttpRequest) -> HttpResponse:
    """Say what an erasure would do, and take the request. Asks first that it is surely the patient."""
    patient, user = own_patient_or_404(request), signed_in(request)
    require_own_proof(request, user)
    record_access(user=user, patient=patient, what="privacy_request")
    form, problem = AskErasureForm(request.POST or None), ""
    if request.method == "POST":
        problem = "Tick the box when you have read it."
        if form.is_valid():
            try:
                ask(
                    patient=patient, kind=RequestKind.ERASURE, user=user, how=How.SELF,
                    words=form.cleaned_data["words"], now=timezone.now(),
                )  # fmt: skip
            except DomainError as error:
                problem = error.message
            else:
                messages.success(request, "We have your request. You get an answer within 30 days, on this page.")
                return HttpResponseRedirect(reverse("compliance:own_requests"))
    plan = plan_for(patient.pk, timezone.now())
    context = {
        "form": form,
        "problem": problem,
        "now": [one for one in plan if one.not_before is None],
        "later": [one for one in plan if one.not_before is not None],
        "waits": PrivacyRequest.objects.filter(patient=patient, kind=RequestKind.ERASURE, state__in=WAITING).exists(),
    }
    with timezone.override(ZoneInfo(patient.time_zone)):
        return render(request, "compliance/own_erasure.html", context, status=400 if problem else 200)
