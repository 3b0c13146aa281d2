"""One patient's twin: the page, its own panels, and the series behind its charts."""

from __future__ import annotations

import time
from itertools import chain
from typing import NamedTuple
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from compliance.selectors.corrections import notes_for
from compliance.services.accesses import record_access
from compliance.views.access import may_once_confirmed, patient_or_404, signed_in
from devices.models import Device
from devices.selectors.streams import further_cursors
from devices.selectors.worn import devices_worn_since
from devices.services.telemetry import store
from devices.services.worn import latest_of
from twin.selectors.board import cursors_of
from twin.selectors.history import (
    alarms_of,
    series_of,
    window_of,
)
from twin.selectors.signs import signs_of
from twin.selectors.strips import bands_of, height_of, keys_of, strips_for
from twin.selectors.timeline import digest_of, grouped_by_day
from twin.selectors.vitals import by_device_and_metric, tiles_of
from twin.services.limits import load_rulebook
from twin.services.prediction import latest_prediction


class Panel(NamedTuple):
    """A part of the page that fetches itself from `panels/<name>/`, for those who hold the right."""

    name: str
    title: str
    right: str
    place: str


PANELS = (
    Panel("alerts", "Alarms", "twin.view_alert", "urgent"),
    Panel("medication", "Medication today", "compliance.view_adherence", "today"),
    Panel("images", "Images", "imaging.view_study", "today"),
    Panel("devices", "Devices", "devices.view_device", "around"),
    Panel("timeline", "Timeline", "compliance.view_patient", "around"),
)
HOURS_SHOWN = (1, 3, 12, 24)


@require_GET
def patient_page(request: HttpRequest, patient_id: UUID) -> HttpResponse:
    """Show the twin of one patient."""
    patient = patient_or_404(request, patient_id)
    record_access(user=request.user, patient=patient, what="patient_page")
    devices = list(patient.devices.select_related("gateway"))
    further = further_cursors([device.pk for device in devices], store())  # before what is newest is read
    readings = latest_of(device.pk for device in devices)
    book = load_rulebook(patient)
    limits = chain.from_iterable(book.tables.get(patient.pk, book.tables[None]))
    worn = devices_worn_since(patient, time.time() - max(HOURS_SHOWN) * 3600.0)  # what was taken off has a past here
    strips = strips_for(worn, bands_of(limits))
    context = {
        "patient": patient,
        "age": patient.age_years(timezone.localdate()),
        "tiles": tiles_of(devices, by_device_and_metric(readings), time.time()),
        "has_ecg": any(device.kind == "vital_signs_monitor" for device in devices),
        "panels": [panel for panel in PANELS if request.user.has_perm(panel.right, patient)],
        "may_enter_decisions": request.user.has_perm("compliance.manage_consent", patient),
        "may_move": may_once_confirmed(request.user, "compliance.admit_patient", patient),
        "may_ask_what_if": may_once_confirmed(request.user, "twin.run_what_if", patient),
        "disputes": notes_for(signed_in(request), patient),
        "strips": strips,
        "keys": keys_of(strips),
        "strips_height": height_of(strips),
        "hours_shown": HOURS_SHOWN,
        "cursors": further | cursors_of(readings),
    }
    return render(request, "twin/patient.html", context)


@require_GET
def patient_history(request: HttpRequest, patient_id: UUID) -> JsonResponse:
    """Answer series, alarms and the forecast: `?keys=glucose,heart_rate&from=..&to=..`, s since the Unix epoch."""
    patient = patient_or_404(request, patient_id)
    record_access(user=request.user, patient=patient, what="history")
    window = window_of(request.GET.dict())
    alarms = alarms_of(patient, window) if request.user.has_perm("twin.view_alert", patient) else []
    answer = {"bucket_s": window.bucket_s, "series": series_of(patient, window), "alarms": alarms}
    return JsonResponse({**answer, "prediction": latest_prediction(patient)})


@require_GET
def devices_panel(request: HttpRequest, patient_id: UUID) -> HttpResponse:
    """Show the devices around the patient as a diagram with their live state."""
    patient = patient_or_404(request, patient_id, "devices.view_device")
    record_access(user=request.user, patient=patient, what="patient_page", refreshing=True)
    devices = list(Device.objects.filter(patient=patient).select_related("gateway").order_by("gateway__name", "label"))
    latest = by_device_and_metric(latest_of(device.pk for device in devices))
    context = {"patient": patient, "signs": signs_of(devices, latest, time.time())}
    return render(request, "twin/_devices.html", context)


@require_GET
def timeline_panel(request: HttpRequest, patient_id: UUID) -> HttpResponse:
    """Show what happened around the patient, newest first."""
    patient = patient_or_404(request, patient_id)
    user = signed_in(request)
    record_access(user=user, patient=patient, what="patient_page", refreshing=True)
    days = grouped_by_day(digest_of(user, patient))
    context = {"patient": patient, "days": days, "may_see_log": user.has_perm("compliance.view_log")}
    return render(request, "twin/_timeline.html", context)
