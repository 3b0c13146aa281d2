"""Medication of one patient: the adherence page, the panel of today's doses, and entering an intake by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from compliance.errors import DomainError
from compliance.models import Intake, Patient, ScheduledDose
from compliance.selectors import scope_for, within_scope
from compliance.selectors.adherence import (
    doses_of_days,
    doses_of_today,
    local_today,
    measures_of,
    newest_risk,
    next_dose,
    openings_of_today,
)
from compliance.services.accesses import record_access
from compliance.services.administrations import take, undo_taken
from compliance.views.access import may_once_confirmed, patient_or_404, signed_in, visible_or_404
from compliance.views.adherence_chart import calendar, dot_plot
from compliance.views.adherence_words import dose_line, next_line, opening_line, risk_card

VIEW, RECORD = "compliance.view_adherence", "compliance.record_intake"
PERIODS = (14, 30, 60)


@require_GET
def adherence_page(request: HttpRequest, patient_id: UUID) -> HttpResponse:
    """Show how the medication of the last weeks was taken, and how likely the next dose is to be missed."""
    patient = patient_or_404(request, patient_id, VIEW)
    record_access(user=request.user, patient=patient, what="adherence")
    now = timezone.now()
    period = _period(request)
    last = local_today(patient, now)
    first = last - timedelta(days=period - 1)
    doses = doses_of_days(patient, first, last)
    zone = ZoneInfo(patient.time_zone)
    context = {
        "period": period,
        "periods": PERIODS,
        "first": first,
        "last": last,
        "plot": dot_plot(doses, first, last, zone),
        "weeks": calendar(doses, first, last),
        "measures": measures_of(patient, first, last),
        "made_up": any(dose.synthetic for dose in doses),
        **_panel(request, patient, now),
    }
    return render(request, "compliance/adherence.html", context)


@require_GET
def medication_panel(request: HttpRequest, patient_id: UUID) -> HttpResponse:
    """Show today's doses."""
    patient = patient_or_404(request, patient_id, VIEW)
    record_access(user=request.user, patient=patient, what="patient_page", refreshing=True)
    return render(request, "compliance/_medication.html", _panel(request, patient, timezone.now()))


@require_POST
def enter_intake(request: HttpRequest, dose_id: int) -> HttpResponse:
    """Record by hand that a dose was taken."""
    joined = ScheduledDose.objects.select_related("patient")
    dose = visible_or_404(within_scope(joined, scope_for(signed_in(request), RECORD)), pk=dose_id)
    record_access(user=request.user, patient=dose.patient, what="dose")
    problem = ""
    try:
        take(dose=dose, user=signed_in(request), now=timezone.now())
    except DomainError as error:
        if not request.headers.get("HX-Request"):
            raise
        problem = error.message
    return _panel_again(request, dose.patient_id, problem)


@require_POST
def undo_intake(request: HttpRequest, intake_id: int) -> HttpResponse:
    """Take an entry by hand back."""
    joined = Intake.objects.select_related("patient")
    intake = visible_or_404(within_scope(joined, scope_for(signed_in(request), RECORD)), pk=intake_id)
    record_access(user=request.user, patient=intake.patient, what="dose")
    problem = ""
    try:
        undo_taken(intake=intake, user=signed_in(request), now=timezone.now())
    except DomainError as error:
        if not request.headers.get("HX-Request"):
            raise
        problem = error.message
    return _panel_again(request, intake.patient_id, problem)


def _panel_again(request: HttpRequest, patient_id: UUID, problem: str) -> HttpResponse:
    """Answer htmx with the panel as it is now, and a plain form with the page it came from."""
    if not request.headers.get("HX-Request"):
        return redirect("compliance:adherence", patient_id=patient_id)
    patient = patient_or_404(request, patient_id, VIEW)
    context = {**_panel(request, patient, timezone.now()), "problem": problem}
    return render(request, "compliance/_medication.html", context)


def _panel(request: HttpRequest, patient: Patient, now: datetime) -> dict[str, Any]:
    zone = ZoneInfo(patient.time_zone)
    following = next_dose(patient, now)
    risk = newest_risk(patient, following)
    return {
        "patient": patient,
        "lines": [dose_line(dose, zone, now) for dose in doses_of_today(patient, now)],
        "openings": [opening_line(intake, zone) for intake in openings_of_today(patient, now)],
        "following": next_line(following, zone, now) if following else None,
        "risk": risk_card(risk) if risk else None,
        "may_record": may_once_confirmed(signed_in(request), RECORD, patient),
    }


def _period(request: HttpRequest) -> int:
    """Return the days to show; anything but an offered number means thirty."""
    asked = request.GET.get("days", "")
    return int(asked) if asked in {str(days) for days in PERIODS} else 30
