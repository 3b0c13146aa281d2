"""The ward board: who needs somebody, why, since when. One pass of few queries for any number of patients.

Everybody gets a row with name and alarm; vital signs, devices and doses are read for those whom the reader sees first.
"""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from compliance.adherence.measures import DoseState
from compliance.models import Patient, ScheduledDose, User
from compliance.policy import Role
from compliance.selectors import patients_for, scope_for, subject_of, within_scope
from devices.models import Device, Gateway, GatewayState
from devices.services.worn import latest_of
from devices.telemetry.lanes import stream_of
from devices.telemetry.store import Reading
from twin.alerts.priority import Priority
from twin.models import Alert, AlertState
from twin.selectors.alerts import alerts_for
from twin.selectors.signs import Sign, signs_of
from twin.selectors.vitals import GLANCE, Tile, by_device_and_metric, tiles_of

TILES = 3
WHOLE_ROWS = 40  # a screen or two; 200 whole rows took the server 250 ms, and most of them nobody scrolled to
HANDLED_RANK = 3  # somebody acknowledged or snoozed it: after every open alarm
CALM_RANK = 4
GATEWAY_SILENT = timedelta(minutes=1)
RECENT = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Row:
    """One patient on the board."""

    patient: Patient
    alerts: Sequence[Alert]  # unresolved, most urgent first
    mine: bool
    may_acknowledge: bool
    near: bool = False  # the reader is here for this one person, not for a ward
    whole: bool = False  # what follows was read too; the page asks for it when the row comes into view
    tiles: Sequence[Tile] = ()
    signs: Sequence[Sign] = ()
    next_dose: ScheduledDose | None = None
    newest_t: float | None = None  # device time of the newest reading, s since the Unix epoch
    cursors: dict[int, int] = field(default_factory=dict)  # highest seq per stream that these values include
    last_alert: Alert | None = None  # the newest that is over, for readers who are near

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
        return f"{self.rank}-{since:012d}-{bed}-{self.patient.sort_name[0]}"

    @property
    def well(self) -> bool:
        """Tell whether nothing is wrong and this is known: no alarm, every device heard, at least one reading."""
        return self.top is None and self.newest_t is not None and not self.silent

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
    gateways: int = 0  # how many ought to be connected

    @property
    def open(self) -> int:
        """How many alarms wait for somebody."""
        return sum(count for _, count in self.counts)


def rows_for(user: User, patient_ids: Collection[UUID] | None = None) -> list[Row]:
    """Return the rows that `user` may see, most urgent first; only those of `patient_ids` where these are given.

    The first `WHOLE_ROWS` are whole.
    """
    patients = patients_for(user)
    if patient_ids is not None:
        patients = patients.filter(pk__in=patient_ids)
    found = list(patients)
    alerts = _alerts(user, [patient.pk for patient in found])
    linked, acknowledge = subject_of(user).patient_ids, scope_for(user, "twin.acknowledge_alert")
    rows = [
        Row(
            patient=patient,
            alerts=alerts[patient.pk],
            mine=patient.pk in linked,
            may_acknowledge=acknowledge.covers(patient.policy_resource()),
            near=user.role == Role.CAREGIVER,
        )
        for patient in found
    ]
    rows.sort(key=lambda row: row.order)
    return _made_whole(user, rows[:WHOLE_ROWS]) + rows[WHOLE_ROWS:]


def _made_whole(user: User, rows: Sequence[Row]) -> list[Row]:
    ids = [row.patient.pk for row in rows]
    devices, doses = _devices(user, ids), _next_doses(user, ids)
    by_device = _by_device(latest_of(device.pk for group in devices.values() for device in group))
    last = _last_alerts(user, [row.patient.pk for row in rows if row.near])
    now = time.time()
    whole = []
    for row in rows:
        mine = devices[row.patient.pk]
        own = [reading for device in mine for reading in by_device[device.pk]]
        alarming = [alert.metric for alert in row.alerts if alert.metric in GLANCE]
        latest = by_device_and_metric(own)
        whole.append(
            replace(
                row,
                whole=True,
                tiles=tiles_of(mine, latest, now, first=alarming)[:TILES],
                signs=signs_of(mine, latest, now),
                next_dose=doses.get(row.patient.pk),
                newest_t=max((reading.t for reading in own), default=None),
                cursors=cursors_of(own),
                last_alert=last.get(row.patient.pk),
            )
        )
    return whole


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


def _last_alerts(user: User, patient_ids: Sequence[UUID]) -> dict[UUID, Alert]:
    """Return the newest alert of each patient that is over, if it ended within `RECENT`."""
    over = alerts_for(user).filter(patient__in=patient_ids, state=AlertState.RESOLVED)
    recent = over.filter(resolved_at__gte=timezone.now() - RECENT).order_by("raised_at")
    return {alert.patient_id: alert for alert in recent}


def _next_doses(user: User, patient_ids: Sequence[UUID]) -> dict[UUID, ScheduledDose]:
    """Return the first dose of each patient whose window has not closed and that is still expected."""
    visible = within_scope(ScheduledDose.objects.all(), scope_for(user, "compliance.view_adherence"))
    ahead = visible.filter(patient__in=patient_ids, state=DoseState.PENDING.value, closes_at__gt=timezone.now())
    found: dict[UUID, ScheduledDose] = {}
    for dose in ahead.select_related("regimen__medication").order_by("due_at"):
        found.setdefault(dose.patient_id, dose)
    return found


def cursors_of(readings: Iterable[Reading]) -> dict[int, int]:
    """Return the highest seq per stream of a device: from there on a socket has to tell."""
    highest: dict[int, int] = {}
    for reading in readings:
        stream = stream_of(reading.device, reading.seq)
        highest[stream] = max(highest.get(stream, 0), reading.seq)
    return highest


def strip_for(user: User) -> Strip:
    """Return the strip above the rows."""
    alerts = alerts_for(user).filter(patient__in=patients_for(user)).exclude(state=AlertState.RESOLVED)
    tally = Counter(alerts.values_list("state", "priority").order_by())
    gateways = _gateways(user)
    return Strip(
        counts=tuple((priority.value, tally[AlertState.OPEN.value, priority.value]) for priority in Priority),
        handled=sum(count for (state, _), count in tally.items() if state != AlertState.OPEN),
        gateways_down=[g for g in gateways if g.last_seen_at and g.last_seen_at < timezone.now() - GATEWAY_SILENT],
        gateways=len(gateways),
    )


def _gateways(user: User) -> list[Gateway]:
    """Return the gateways of the user's wards that should be connected: active, and heard at least once."""
    wards = scope_for(user, "devices.view_device").ward_ids
    return list(Gateway.objects.filter(ward_id__in=wards, state=GatewayState.ACTIVE, last_seen_at__isnull=False))
