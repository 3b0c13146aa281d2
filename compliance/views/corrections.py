"""Answer a correction that a patient asked for; the record changes with the answer where it can."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from compliance.errors import DomainError
from compliance.models import Administration, PrivacyRequest, User
from compliance.models.corrections import Correction
from compliance.privacy.corrections import DISPUTED, CorrectionPart
from compliance.privacy.requests import RequestKind, RequestState
from compliance.selectors.orders import correctable_entries
from compliance.selectors.privacy_requests import requests_for
from compliance.services.accesses import record_access
from compliance.services.corrections import accept_correction, refuse_correction
from compliance.services.privacy_requests import close, extend
from compliance.views.access import signed_in, visible_or_404
from compliance.views.correction_forms import AcceptForm
from compliance.views.erasure_forms import RefuseForm
from compliance.views.privacy_forms import DoneForm, ExtendForm
from compliance.views.privacy_request_words import line_of
from compliance.views.step_up import require_fresh

MOST_ENTRIES = 10
FORMS: dict[str, type[forms.Form]] = {
    "accept": AcceptForm,
    "refuse": RefuseForm,
    "done": DoneForm,
    "extend": ExtendForm,
}


@require_http_methods(["GET", "POST"])
def correction_page(request: HttpRequest, correction_id: UUID) -> HttpResponse:
    """Show what is called wrong and decide it. Named by its request."""
    user = signed_in(request)  # without the right nothing is found: a stranger learns no more than that
    found = visible_or_404(requests_for(user), pk=correction_id, kind=RequestKind.CORRECTION)
    correction = Correction.objects.filter(request=found).select_related("patient").first()
    if correction is None:  # asked in words alone, or the record is closed
        return redirect("compliance:privacy_request", found.pk)
    record_access(user=user, patient=found.patient, what="privacy_request")
    act, problem, status, now = request.POST.get("act", ""), "", 200, timezone.now()
    asked = {name: form(request.POST if act == name else None, auto_id=f"{name}_%s") for name, form in FORMS.items()}
    if request.method == "POST":
        require_fresh(request)
        problem, status = "Fill in what is marked.", 400
        if act in asked and asked[act].is_valid():
            try:
                messages.success(request, _do(act, found, user, asked[act].cleaned_data, now))
                return HttpResponseRedirect(request.path)
            except DomainError as error:
                problem, status = error.message, error.http_status
                found = visible_or_404(requests_for(user), pk=correction_id)
    approved = found.state == RequestState.APPROVED
    context = {
        "line": line_of(found, now),
        "found": found,
        "correction": correction,
        "held": _held(correction),
        "disputes": correction.part in DISPUTED,
        "entries": _entries(user, correction) if approved else [],
        "medication": correction.part == CorrectionPart.MEDICATION,
        "own": user.pk == found.asked_by_id or user.own_patient_id == found.patient_id,
        "open": found.state == RequestState.OPEN,
        "approved": approved,
        "may_extend": found.waits and not found.extended_because and not found.overdue(now),
        "forms": asked,
        "problem": problem,
    }
    return render(request, "compliance/correction.html", context, status=status)


def _do(act: str, found: PrivacyRequest, user: User, said: dict[str, str], now: datetime) -> str:
    if act == "refuse":
        refuse_correction(request=found, by=user, answer=said["answer"], now=now)
        return "Refused. The patient reads why, and may add a statement."
    if act == "extend":
        extend(request=found, by=user, because=said["because"], now=now)
        return "Two more months. The patient reads why."
    if act == "done":
        close(request=found, by=user, answer=said["answer"], now=now)
        return "Done. The patient reads what was done."
    done = accept_correction(request=found, by=user, answer=said["answer"], now=now)
    if done.state == RequestState.APPROVED:
        return "Accepted. Correct it where it stands, and note it here."
    return "Accepted and done. The patient reads it."


def _held(correction: Correction) -> str:
    """Return what the record holds now, where the part is a column of it."""
    value = getattr(correction.patient, correction.part) if correction.is_column else None
    return "" if value is None else str(value)


def _entries(user: User, correction: Correction) -> list[Administration]:
    """Return the newest entries about doses that this person may correct."""
    if correction.part != CorrectionPart.MEDICATION:
        return []
    return list(correctable_entries(user, correction.patient)[:MOST_ENTRIES])
