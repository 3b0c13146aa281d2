"""What proves the numbers of the patient's own page, for that patient alone: plain words, the checks, a file to take.

Nothing here asks for anything of the staff's rights. The policy says whether this person may see the own record
(`compliance.view_own_record`); what is not of that record gets the answer of what does not exist.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from compliance.models import AccessRecord, Event, Intake, LogEntry, Patient, RiskEstimate, ScheduledDose
from compliance.selectors.corrections import evidence_notes
from compliance.services.accesses import record_access
from compliance.services.proofs import About, export_proofs
from compliance.views.access import signed_in, visible_or_404
from compliance.views.marks import limited
from compliance.views.own_record import own_patient_or_404
from compliance.views.step_up import require_fresh
from devices.evidence.anatomy import nonce_of, parts_of
from devices.evidence.bundle import bundle_of
from devices.evidence.outcome import Outcome
from devices.selectors.evidence import own_reading
from devices.services.telemetry import store
from devices.views.evidence import BUNDLES, page_or_panel
from imaging.models import Study
from imaging.selectors import images_within, series_within
from imaging.services.proving import image_bundle
from twin.models import Alert, Prediction
from twin.selectors.alert_evidence import rule_facts
from twin.selectors.dose_evidence import dose_panel
from twin.selectors.evidence import (
    Fact,
    Panel,
    alert_panel,
    event_panel,
    forecast_panel,
    intake_panel,
    raising_reading,
    risk_panel,
)
from twin.selectors.image_evidence import image_panel, series_panel, study_panel
from twin.selectors.own_counted import counted_panel
from twin.selectors.own_evidence import UNSEEN, look_panel, own_entry, own_facts, own_panel

HEADLINES = {
    Outcome.HOLDS: "Checked: nothing was changed",
    Outcome.WAITING: "Nothing was changed so far",
    Outcome.MISSING: "Not everything can be checked",
    Outcome.BROKEN: "Do not rely on this",
}


@require_GET
def reading(request: HttpRequest, device_id: int, sequence: int) -> HttpResponse:
    """Show what proves a value that was measured of this patient."""
    return _show_reading(request, own_patient_or_404(request), device_id, sequence)


def _show_reading(
    request: HttpRequest, patient: Patient, device_id: int, sequence: int, lead: str = "", facts: Sequence[Fact] = ()
) -> HttpResponse:
    found = own_reading(patient, store(), device_id, sequence)
    record_access(user=request.user, patient=patient, what="evidence")
    frame = found.facts.frame
    context = {
        "lead": lead,
        "facts": facts,
        "found": found,
        "headline": HEADLINES[found.verdict],
        "parts": parts_of(frame) if frame else [],
        "nonce": nonce_of(frame) if frame else "",
        "disputes": evidence_notes(signed_in(request), patient),
    }
    with timezone.override(ZoneInfo(patient.time_zone)):
        return render(request, page_or_panel(request, "evidence/_own_reading.html"), context)


@limited(BUNDLES)
@require_GET
def reading_proof(request: HttpRequest, device_id: int, sequence: int) -> HttpResponse:
    """Answer the proof of an own value as a file that anybody can check. It holds the sealed frame and no key."""
    patient = own_patient_or_404(request)
    found = own_reading(patient, store(), device_id, sequence)
    record_access(user=request.user, patient=patient, what="evidence_bundle")
    bundle = bundle_of(found.facts, value=found.value, unit=found.unit)
    return _file(JsonResponse(bundle, json_dumps_params={"indent": 1}), f"reading-{device_id}-{sequence}.json")


@require_GET
def alert(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Show the value that raised an alert about this patient, or say what else did."""
    patient = own_patient_or_404(request)
    found = visible_or_404(Alert.objects.filter(patient=patient), pk=alert_id)
    raised_by, rule = raising_reading(found), own_facts(rule_facts(signed_in(request), found))
    if raised_by is None:
        return _show(request, patient, alert_panel(found, rule))
    return _show_reading(request, patient, raised_by.device, raised_by.seq, f"This value raised: {found.message}", rule)


@require_GET
def dose(request: HttpRequest, dose_id: int) -> HttpResponse:
    """Show order, double check, entries and openings behind an own dose."""
    patient = own_patient_or_404(request)
    rows = ScheduledDose.objects.filter(patient=patient).select_related("patient", "regimen__medication")
    sentence = "" if (found := visible_or_404(rows, pk=dose_id)).synthetic else "What was ordered, and what was seen."
    return _show(request, patient, dose_panel(found), sentence)


@require_GET
def intake(request: HttpRequest, intake_id: int) -> HttpResponse:
    """Show the openings of the pillbox behind an own intake."""
    patient = own_patient_or_404(request)
    rows = Intake.objects.filter(patient=patient).select_related("patient", "recorded_by")
    return _show(request, patient, intake_panel(visible_or_404(rows, pk=intake_id)))


@require_GET
def risk(request: HttpRequest, dose_id: int) -> HttpResponse:
    """Show model and reasons of the newest estimate that an own dose is missed."""
    patient = own_patient_or_404(request)
    rows = RiskEstimate.objects.filter(patient=patient).select_related("patient", "dose").order_by("-computed_at")
    return _show(request, patient, risk_panel(visible_or_404(rows, dose_id=dose_id)))


@require_GET
def forecast(request: HttpRequest) -> HttpResponse:
    """Show model and readings behind the newest forecast of this patient's glucose."""
    patient = own_patient_or_404(request)
    rows = Prediction.objects.filter(patient=patient).select_related("patient")
    return _show(request, patient, forecast_panel(visible_or_404(rows, metric="glucose")))


@require_GET
def study(request: HttpRequest, study_id: UUID) -> HttpResponse:
    """Show who signed and sealed images of this patient."""
    patient = own_patient_or_404(request)
    found = visible_or_404(Study.objects.filter(patient=patient).select_related("patient"), pk=study_id)
    return _show(request, patient, study_panel(found))


@require_GET
def series(request: HttpRequest, series_id: UUID) -> HttpResponse:
    """Show what proves the images of an own series."""
    patient = own_patient_or_404(request)
    found = visible_or_404(series_within(Study.objects.filter(patient=patient)), pk=series_id)
    return _show(request, patient, series_panel(found))


@require_GET
def image(request: HttpRequest, instance_id: UUID) -> HttpResponse:
    """Show what proves one own image."""
    patient = own_patient_or_404(request)
    found = visible_or_404(images_within(Study.objects.filter(patient=patient)), pk=instance_id)
    return _show(request, patient, image_panel(found), proof=reverse("twin:own_image_proof", args=[found.pk]))


@limited(BUNDLES)
@require_GET
def image_proof(request: HttpRequest, instance_id: UUID) -> HttpResponse:
    """Answer the proof of one own image as a file that anybody can check. It holds no pixels."""
    patient = own_patient_or_404(request)
    found = visible_or_404(images_within(Study.objects.filter(patient=patient)), pk=instance_id)
    record_access(user=request.user, patient=patient, what="evidence_bundle")
    return _file(JsonResponse(image_bundle(found), json_dumps_params={"indent": 1}), f"image-{found.pk}.json")


@require_GET
def look(request: HttpRequest, look_id: int) -> HttpResponse:
    """Show that a look at the own record was written down as it happened."""
    patient = own_patient_or_404(request)
    rows = AccessRecord.objects.filter(patient=patient).select_related("user", "patient")
    return _show(request, patient, look_panel(visible_or_404(rows, pk=look_id)))


@require_GET
def event(request: HttpRequest, event_id: int) -> HttpResponse:
    """Show what the log holds of something that happened to the own record."""
    patient = own_patient_or_404(request)
    rows = Event.objects.filter(patient=patient).select_related("patient", "user")
    found = visible_or_404(rows, pk=event_id)
    entry = own_entry(patient, found)
    placed = entry is not None and entry.leaf_index is not None
    proof = reverse("twin:own_event_proof", args=[found.pk]) if placed else ""
    return _show(request, patient, event_panel(found), UNSEEN, proof)


@limited(BUNDLES)
@require_GET
def event_proof(request: HttpRequest, event_id: int) -> HttpResponse:
    """Answer the log's proof of something that happened to the own record, in the form of every proof of the log."""
    patient, user = own_patient_or_404(request), signed_in(request)
    entries = LogEntry.objects.filter(patient_id=patient.pk)
    entry = visible_or_404(entries, event_id=event_id)
    own_patient_or_404(request, "compliance.export_record")  # what is not there is never asked a factor for
    require_fresh(request)  # as for every proof of the log: what it says of a person leaves the house
    about = About(event_id=entry.event_id)
    bundle = export_proofs(entries.filter(pk=entry.pk), about=about, may_read=lambda _: True, by=user)
    record_access(user=user, patient=patient, what="log_proofs")
    answer = HttpResponse(json.dumps(bundle, indent=1), content_type="application/json")
    return _file(answer, f"medtwin-proof-{entry.pk}.json")


@require_GET
def counted(request: HttpRequest, counted: str) -> HttpResponse:
    """Show the rows behind a count of the own page."""
    patient = own_patient_or_404(request)
    return _show(request, patient, counted_panel(patient, counted))


def _show(request: HttpRequest, patient: Patient, panel: Panel, sentence: str = "", proof: str = "") -> HttpResponse:
    record_access(user=request.user, patient=patient, what="evidence")
    context = {
        "panel": own_panel(panel, sentence),
        "headline": HEADLINES[panel.verdict] if panel.verdict else "",
        "disputes": evidence_notes(signed_in(request), patient),
        "proof": proof,
    }
    return render(request, page_or_panel(request, "evidence/_own_panel.html"), context)


def _file(answer: HttpResponse, name: str) -> HttpResponse:
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
