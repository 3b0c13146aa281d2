"""Alarm limits of one patient."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from compliance.services.accesses import record_access
from compliance.views.access import patient_or_404, require
from twin.forms import LimitsForm
from twin.selectors.limits import limits_shown, own_settings
from twin.services.limits import LimitsChangedMeanwhile, LimitsRefused, set_limits


@require_http_methods(["GET", "POST"])
def limits(request: HttpRequest, patient_id: UUID) -> HttpResponse:
    """Show the limits that hold for a patient beside the house's, and set them."""
    patient = patient_or_404(request, patient_id, "twin.set_limits")
    user = require(request, "twin.set_limits", patient)
    record_access(user=user, patient=patient, what="limits")
    form = LimitsForm(limits_shown(patient), own_settings(patient), request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            seen = form.shown_by(form.cleaned_data["seen"])
            set_limits(patient=patient, user=user, settings=form.settings(), seen=seen)
        except LimitsChangedMeanwhile as error:
            form.catch_up(error.changed)
        except LimitsRefused as error:
            form.refuse(error.wrong)
        else:
            messages.success(request, "Limits saved. They hold within ten seconds.")
            return redirect("twin:limits", patient.pk)
    status = 409 if form.meanwhile else 400 if form.errors else 200
    return render(request, "twin/limits.html", {"patient": patient, "form": form}, status=status)
