"""The ward board: who needs somebody, why, since when. One pass of few queries for any number of patients."""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from compliance.adherence.measures import DoseState
from compliance.models import Patient, ScheduledDose, User
from compliance.selectors import patients_for, scope_for, subject_of, within_scope
from devices.models import Device, Gateway, GatewayState
from devices.services.telemetry import store
from devices.telemetry.store import Reading
from twin.alerts.priority import Priority
from twin.models import Alert, AlertState
from twin.selectors.alerts import alerts_for
from twin.selectors.signs import Sign, signs_of
from twin.selectors.vitals import GLANCE, Tile, by_device_and_metric, tiles_of

TILES = 3
HANDLED_RANK = 3  # somebody acknowledged or snoozed it: after every open alarm
CALM_RANK = 4
GATEWAY_SILENT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Row:
    """One patient on the board."""

    patient: Patient
    alerts: Sequence[Alert]  # unresolved, most urgent first
    tiles: Sequence[Tile]
    signs: Sequence[Sign]
    next_dose: ScheduledDose | None
    newest_t: float | None  # device time of the newest reading, s since the Unix epoch
    mine: bool
    may_acknowledge: bool
    cursors: dict[int, int]  # highest seq per device that these values include

    @property
    def top(self) -> Alert | None:
        """The alert that puts the row where it is."""
        return self.alerts[0] if self.alerts else None

    @property
    def rank(self) -> int:
        """0, 1, 2: an open alarm of high, medium, low priority; 3: all are handled; 4: calm."""
        return _rank(self.top) if self.top else CALM_RANK

    @property
    def order(self) -> str:
        """A text that sorts rows: urgency, then who has waited longest, then bed (numbers by size)."""
        since = int(self.top.raised_at.timestamp()) if self.top else 0
        bed = re.sub(r"\d+", lambda digits: digits.group().zfill(4), self.patient.bed)
        return f"{self.rank}-{since:012d}-{bed}-{self.patient.family_name}"

    @property
    def silent(self) -> Sequence[Sign]:
        """Devices that are not heard, are not trusted, or run out of power."""
        return [sign for sign in self.signs if not (sign.heard and sign.trusted) or sign.low_battery]


@dataclass(frozen=True, slots=True)
class Strip:
    """What stands above the rows: open alarms by priority, handled ones, and gateways that are down."""

    counts: tuple[tuple[str, int], ...]
    handled: int
    gateways_down: Sequence[Gateway]

    @property
    def open(self) -> int:
        """How many alarms wait for somebody."""
        return sum(count for _, count in self.counts)


def rows_for(user: User, patient_id: UUID | None = None) -> list[Row]:
    """Return the rows that `user` may see, most urgent first; only that of `patient_id` when one is given."""
    patients = patients_for(user)
    if patient_id is not None:
        patients = patients.filter(pk=patient_id)
    found = list(patients)
    ids = [patient.pk for patient in found]
    devices = _devices(user, ids)
    readings = store().latest([device.pk for group in devices.values() for device in group])
    alerts, doses = _alerts(user, ids), _next_doses(user, ids)
    linked, acknowledge = subject_of(user).patient_ids, scope_for(user, "twin.acknowledge_alert")
    by_device = _by_device(readings)
    rows: list[Row] = []
    for patient in found:
        own = [reading for device in devices[patient.pk] for reading in by_device[device.pk]]
        alarming = [alert.metric for alert in alerts[patient.pk] if alert.metric in GLANCE]
        latest, now = by_device_and_metric(own), time.time()
        rows.append(
            Row(
                patient=patient,
                alerts=alerts[patient.pk],
                tiles=tiles_of(devices[patient.pk], latest, now, first=alarming)[:TILES],
                signs=signs_of(devices[patient.pk], latest, now),
                next_dose=doses.get(patient.pk),
                newest_t=max((reading.t for reading in own), default=None),
                mine=patient.pk in linked,
                may_acknowledge=acknowledge.covers(patient.policy_resource()),
                cursors=cursors_of(own),
            )
        )
    return sorted(rows, key=lambda row: row.order)


def _by_device(readings: Iterable[Reading]) -> dict[int, list[Reading]]:
    grouped: dict[int, list[Reading]] = defaultdict(list)
    for reading in readings:
        grouped[reading.device].append(reading)
    return grouped


def _rank(alert: Alert) -> int:
    return Priority(alert.priority).rank if alert.state == AlertState.OPEN else HANDLED_RANK


def _devices(user: User, patient_ids: Sequence[UUID]) -> dict[UUID, list[Device]]:
    scope = scope_for(user, "devices.view_device")
    grouped: dict[UUID, list[Device]] = defaultdict(list)
    for device in within_scope(Device.objects.select_related("gateway"), scope).filter(patient__in=patient_ids):
        if device.patient_id is not None:
            grouped[device.patient_id].append(device)
    return grouped


def _alerts(user: User, patient_ids: Sequence[UUID]) -> dict[UUID, list[Alert]]:
    """Return unresolved alerts by patient: open before handled, then by priority, then the one that waited longest."""
    unresolved = alerts_for(user).filter(patient__in=patient_ids).exclude(state=AlertState.RESOLVED)
    grouped: dict[UUID, list[Alert]] = defaultdict(list)
    for alert in sorted(unresolved, key=lambda a: (_rank(a), Priority(a.priority).rank, a.raised_at)):
        grouped[alert.patient_id].append(alert)
    return grouped


def _next_doses(user: User, patient_ids: Sequence[UUID]) -> dict[UUID, ScheduledDose]:
    """Return the first dose of each patient whose window has not closed and that is still expected."""
    visible = within_scope(ScheduledDose.objects.all(), scope_for(user, "compliance.view_adherence"))
    ahead = visible.filter(patient__in=patient_ids, state=DoseState.PENDING.value, closes_at__gt=timezone.now())
    found: dict[UUID, ScheduledDose] = {}
    for dose in ahead.select_related("regimen__medication").order_by("due_at"):
        found.setdefault(dose.patient_id, dose)
    return found


def cursors_of(readings: Iterable[Reading]) -> dict[int, int]:
    """Return the highest seq per device: from there on a socket has to tell."""
    highest: dict[int, int] = {}
    for reading in readings:
        highest[reading.device] = max(highest.get(reading.device, 0), reading.seq)
    return highest


def strip_of(user: User, rows: Sequence[Row]) -> Strip:
    """Return the strip above `rows`."""
    alerts = [alert for row in rows for alert in row.alerts]
    counts = Counter(alert.priority for alert in alerts if alert.state == AlertState.OPEN)
    return Strip(
        counts=tuple((priority.value, counts[priority.value]) for priority in Priority),
        handled=sum(alert.state != AlertState.OPEN for alert in alerts),
        gateways_down=_gateways_down(user),
    )


def _gateways_down(user: User) -> list[Gateway]:
    """Return gateways of the user's wards that should be connected and were not heard for a minute."""
    wards = scope_for(user, "devices.view_device").ward_ids
    active = Gateway.objects.filter(ward_id__in=wards, state=GatewayState.ACTIVE, last_seen_at__isnull=False)
    return list(active.filter(last_seen_at__lt=timezone.now() - GATEWAY_SILENT))
