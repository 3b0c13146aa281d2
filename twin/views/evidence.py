"""Where numbers come from that are not a single reading; what is one leads to the evidence of that reading."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from compliance.errors import NotFound
from compliance.models import Correction, Intake, Patient, RiskEstimate, ScheduledDose
from compliance.selectors import scope_for, within_scope
from compliance.selectors.corrections import evidence_notes
from compliance.services.accesses import record_access, record_list_access
from compliance.views.access import patient_or_404, require, signed_in, visible_or_404
from compliance.views.marks import limited
from devices.selectors import VIEW as VIEW_DEVICE
from devices.selectors import devices_for
from devices.views.evidence import BUNDLES, HEADLINES, page_or_panel, show_reading
from imaging.models import Instance
from imaging.selectors import images_within, series_within, studies_for
from imaging.services.proving import image_bundle
from twin.models import Prediction
from twin.selectors.alert_evidence import rule_facts
from twin.selectors.alerts import alerts_for
from twin.selectors.analytics import Filters
from twin.selectors.dose_evidence import dose_panel
from twin.selectors.evidence import (
    Panel,
    alert_panel,
    energy_panel,
    event_panel,
    forecast_panel,
    intake_panel,
    nearest_reading,
    raising_reading,
    risk_panel,
)
from twin.selectors.figure_evidence import FIGURES, PERIODS, RIGHTS, Part, doses_figure
from twin.selectors.image_evidence import image_panel, series_panel, study_panel
from twin.selectors.timeline import event_for

MEDICATION = "compliance.view_adherence"
LONGEST_DAYS = 366


@require_GET
def alert(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Show the reading that raised an alarm, or say what else did."""
    found = visible_or_404(alerts_for(signed_in(request)), pk=alert_id)
    reading, rule = raising_reading(found), rule_facts(signed_in(request), found)
    if reading is None:
        return _show(request, alert_panel(found, rule), found.patient)
    return show_reading(request, reading.device, reading.seq, f"This reading raised: {found.message}", rule)


@require_GET
def event(request: HttpRequest, event_id: int) -> HttpResponse:
    """Show what the log holds of an event."""
    found = event_for(signed_in(request), event_id)
    if found is None:
        raise NotFound
    return _show(request, event_panel(found), found.patient)


@require_GET
def intake(request: HttpRequest, intake_id: int) -> HttpResponse:
    """Show the openings of the pillbox behind an intake."""
    rows = Intake.objects.select_related("patient", "recorded_by")
    mine = within_scope(rows, scope_for(signed_in(request), MEDICATION))
    found = visible_or_404(mine, pk=intake_id)
    return _show(request, intake_panel(found), found.patient)


@require_GET
def risk(request: HttpRequest, dose_id: int) -> HttpResponse:
    """Show model and reasons of the newest risk of a dose."""
    rows = RiskEstimate.objects.select_related("patient", "dose").order_by("-computed_at")
    mine = within_scope(rows, scope_for(signed_in(request), MEDICATION))
    found = visible_or_404(mine, dose_id=dose_id)
    return _show(request, risk_panel(found), found.patient)


@require_GET
def forecast(request: HttpRequest, patient_id: UUID) -> HttpResponse:
    """Show model and readings behind the newest glucose forecast of a patient."""
    patient = patient_or_404(request, patient_id)
    rows = Prediction.objects.select_related("patient")
    return _show(request, forecast_panel(visible_or_404(rows, patient=patient, metric="glucose")), patient)


@require_GET
def near(request: HttpRequest, patient_id: UUID) -> HttpResponse:
    """Show the reading nearest to a point of a chart: `?metric=glucose&t=<s since the Unix epoch>`."""
    patient = patient_or_404(request, patient_id)
    try:
        reading = nearest_reading(patient, request.GET.get("metric", ""), float(request.GET.get("t", "")))
    except ValueError as error:
        raise NotFound from error
    if reading is None:
        raise NotFound
    return show_reading(request, reading.device, reading.seq, "The reading nearest to where you pointed")


@require_GET
def study(request: HttpRequest, study_id: UUID) -> HttpResponse:
    """Show who signed and sealed a study."""
    found = visible_or_404(studies_for(signed_in(request)), pk=study_id)
    return _show(request, study_panel(found), found.patient)


@require_GET
def series(request: HttpRequest, series_id: UUID) -> HttpResponse:
    """Show what proves the images of a series, and each of them."""
    found = visible_or_404(series_within(studies_for(signed_in(request))), pk=series_id)
    return _show(request, series_panel(found), found.study.patient)


@require_GET
def image(request: HttpRequest, instance_id: UUID) -> HttpResponse:
    """Show what proves one image: its pixels, its size, how it was made."""
    found = _image(request, instance_id)
    proof = reverse("twin:image_proof", args=[found.pk])
    return _show(request, image_panel(found), found.series.study.patient, proof)


@limited(BUNDLES)
@require_GET
def image_proof(request: HttpRequest, instance_id: UUID) -> HttpResponse:
    """Answer the proof of one image as a file that an outsider can check. It holds no pixels."""
    found = _image(request, instance_id)
    record_access(user=request.user, patient=found.series.study.patient, what="evidence_bundle")
    answer = JsonResponse(image_bundle(found), json_dumps_params={"indent": 1})
    answer["Content-Disposition"] = f'attachment; filename="image-{found.pk}.json"'
    return answer


def _image(request: HttpRequest, instance_id: UUID) -> Instance:
    rows = images_within(studies_for(signed_in(request)))
    return visible_or_404(rows, pk=instance_id)


@require_GET
def energy(request: HttpRequest, device_id: int) -> HttpResponse:
    """Show the rows behind a device's energy figures."""
    found = visible_or_404(devices_for(signed_in(request), VIEW_DEVICE), pk=device_id)
    return _show(request, energy_panel(found), found.patient)


@require_GET
def dose(request: HttpRequest, dose_id: int) -> HttpResponse:
    """Show order, double check, entries and openings behind a dose."""
    rows = ScheduledDose.objects.select_related("patient", "regimen__medication")
    found = visible_or_404(within_scope(rows, scope_for(signed_in(request), MEDICATION)), pk=dose_id)
    return _show(request, dose_panel(found), found.patient)


@require_GET
def doses(request: HttpRequest, patient_id: UUID) -> HttpResponse:
    """Show the doses behind a patient's measures: `?days=30`, at most 366."""
    patient = patient_or_404(request, patient_id, MEDICATION)
    asked = request.GET.get("days", "30")
    days = int(asked) if asked.isascii() and asked.isdigit() and 0 < int(asked[:4]) <= LONGEST_DAYS else 30
    return _show(request, doses_figure(patient, min(days, LONGEST_DAYS), timezone.now()), patient)


@require_GET
def figure(request: HttpRequest, page: str) -> HttpResponse:
    """Show the rows behind a figure of an analytics page, with the page's filters and the figure's part of it."""
    if page not in FIGURES:
        raise NotFound
    user = require(request, RIGHTS[page])
    filters = Filters.read(request.META.get("QUERY_STRING"), PERIODS[page])
    panel = FIGURES[page](user, filters, Part.read(request.GET.dict()))
    record_list_access(user=user, patients=panel.shown_patients, what="evidence")
    return _answer(request, panel)


def _show(request: HttpRequest, panel: Panel, patient: Patient | None, proof: str = "") -> HttpResponse:
    record_access(user=request.user, patient=patient, what="evidence")
    disputes = evidence_notes(signed_in(request), patient)
    return _answer(request, panel, disputes, proof)


def _answer(request: HttpRequest, panel: Panel, disputes: Sequence[Correction] = (), proof: str = "") -> HttpResponse:
    context = {"panel": panel, "headline": HEADLINES[panel.verdict] if panel.verdict else "", "disputes": disputes}
    context["proof"] = proof
    return render(request, page_or_panel(request, "evidence/_panel.html"), context)
