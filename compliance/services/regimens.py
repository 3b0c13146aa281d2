"""Plan doses ahead, and settle those whose window closed without an intake."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Max, Q

from compliance.adherence.measures import DoseState
from compliance.adherence.schedule import PlannedDose, expand
from compliance.models import Patient, Regimen, ScheduledDose
from compliance.signals import dose_missed

AHEAD = timedelta(hours=36)
# An intake just before the window closes needs this long to reach us: the tray settles, the gateway sends.
GRACE = timedelta(seconds=45)
AT_ONCE = 500


def _rows(regimen: Regimen, planned: Iterable[PlannedDose], now: datetime) -> list[ScheduledDose]:
    return [
        ScheduledDose(
            regimen=regimen,
            patient_id=regimen.patient_id,
            due_at=dose.due_at,
            opens_at=dose.opens_at,
            closes_at=dose.closes_at,
            local_date=dose.local_date,
            changed_at=now,
        )
        for dose in planned
    ]


def plan_doses(*, now: datetime, patients: Iterable[Patient] | None = None, ahead: timedelta = AHEAD) -> int:
    """Write the doses due until `now + ahead` that are not there yet; return how many regimens were looked at.

    A stopped regimen is passed over. A regimen without doses starts now: no past is invented. After a pause of the
    server the doses in between are written too, so that pillbox data which arrives late finds them. Safe to run twice,
    and at the same time.
    """
    regimens = (
        Regimen.objects.filter(stopped_at__isnull=True).select_related("patient").annotate(newest=Max("doses__due_at"))
    )
    regimens = regimens.filter(Q(ends_on__isnull=True) | Q(ends_on__gte=now.date() - timedelta(days=1)))
    if patients is not None:
        regimens = regimens.filter(patient__in=list(patients))
    looked_at = 0
    for regimen in regimens:
        start = min(regimen.newest or now, now)
        rows = _rows(regimen, expand(regimen.plan(), start, now + ahead), now)
        ScheduledDose.objects.bulk_create(rows, ignore_conflicts=True)
        looked_at += 1
    return looked_at


def plan_from(regimen: Regimen, *, start: datetime, now: datetime, ahead: timedelta = AHEAD) -> None:
    """Write one regimen's doses due from `start`, which may lie a little in the past, until `now + ahead`."""
    rows = _rows(regimen, expand(regimen.plan(), start, now + ahead), now)
    ScheduledDose.objects.bulk_create([row for row in rows if row.closes_at > now], ignore_conflicts=True)


def order_single_dose(*, regimen: Regimen, due_at: datetime, local_date: date, now: datetime) -> ScheduledDose:
    """Write one dose outside the regimen's clock times, with its window. The same moment twice is one dose."""
    plan = regimen.plan()
    planned = PlannedDose(due_at, due_at - plan.early, due_at + plan.late, local_date)
    (row,) = _rows(regimen, [planned], now)
    row.single = True
    ScheduledDose.objects.bulk_create([row], ignore_conflicts=True)
    return ScheduledDose.objects.get(regimen=regimen, due_at=due_at)


@transaction.atomic
def close_windows(*, now: datetime) -> int:
    """Mark pending doses whose window has closed as missed and announce each; return how many."""
    waiting = ScheduledDose.objects.filter(state=DoseState.PENDING, closes_at__lt=now - GRACE)
    locked = waiting.select_for_update(skip_locked=True, of=("self",)).select_related("patient", "regimen__medication")
    closed = list(locked.order_by("closes_at")[:AT_ONCE])
    for dose in closed:
        dose.state, dose.changed_at = DoseState.MISSED.value, now
    ScheduledDose.objects.bulk_update(closed, ["state", "changed_at"])
    for dose in closed:
        dose_missed.send(sender=ScheduledDose, patient=dose.patient, dose=dose)
    return len(closed)
