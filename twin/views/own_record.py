"""The patient's own page: what is held, the newest values, who looked, and which uses are allowed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from compliance.models import Consent, Event, Patient
from compliance.privacy.purposes import TERMS, TEXT_VERSION, Terms
from compliance.selectors.accesses import disclosures_of
from compliance.selectors.adherence import doses_of_today
from compliance.selectors.consents import decisions_of
from compliance.services.accesses import record_access
from compliance.views.adherence_words import dose_line
from compliance.views.own_record import own_patient_or_404
from compliance.views.privacy_words import look_of
from devices.services.worn import latest_of
from twin.models import Alert
from twin.selectors.own_evidence import event_of_decision
from twin.selectors.own_record import holdings_of
from twin.selectors.vitals import Tile, by_device_and_metric, tiles_of

ALERTS_SHOWN, LOOKS_SHOWN = 10, 20


@dataclass(frozen=True, slots=True)
class Value:
    """A newest value with its moment, None before the first."""

    tile: Tile
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Use:
    """One use of the record: its words, whether it is allowed, and the decision behind it, if there was one."""

    terms: Terms
    allowed: bool
    decision: Consent | None
    event: Event | None  # which told of the decision


@require_GET
def own_record(request: HttpRequest) -> HttpResponse:
    """Show a patient everything about the own record."""
    patient = own_patient_or_404(request)
    record_access(user=request.user, patient=patient, what="own_page")
    zone, now = ZoneInfo(patient.time_zone), timezone.now()
    looks = disclosures_of(patient)
    context = {
        "patient": patient,
        "values": _values(patient, zone),
        "doses": [dose_line(dose, zone, now) for dose in doses_of_today(patient, now)],
        "alerts": Alert.objects.filter(patient=patient)[:ALERTS_SHOWN],
        "looks": [look_of(record, zone) for record in looks[:LOOKS_SHOWN]],
        "looks_count": looks.count(),
        "uses": _uses(patient),
        "text_version": TEXT_VERSION,
        "holdings": holdings_of(patient),
    }
    with timezone.override(zone):
        return render(request, "twin/own_record.html", context)


def _values(patient: Patient, zone: ZoneInfo) -> list[Value]:
    devices = list(patient.devices.all())
    latest = by_device_and_metric(latest_of(device.pk for device in devices))
    tiles = tiles_of(devices, latest, time.time())
    return [Value(tile, datetime.fromtimestamp(tile.t, UTC).astimezone(zone) if tile.t else None) for tile in tiles]


def _uses(patient: Patient) -> list[Use]:
    return [
        Use(
            terms=TERMS[purpose],
            allowed=decision.given if decision else TERMS[purpose].default,
            decision=decision,
            event=event_of_decision(decision) if decision else None,
        )
        for purpose, decision in decisions_of(patient).items()
    ]
