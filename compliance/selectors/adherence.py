"""Reads of medication: today's doses, a period's measures, the history that the risk model needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

import numpy as np
from django.db.models import Q, QuerySet

from compliance.adherence.histories import History
from compliance.adherence.measures import COUNTED, SWALLOWED, DoseState, Measures, measure
from compliance.models import Intake, Patient, RiskEstimate, ScheduledDose

HISTORY_DAYS = 120  # beyond this the past says little about the next dose


def _doses(patient: Patient) -> QuerySet[ScheduledDose]:
    related = ScheduledDose.objects.select_related("regimen__medication", "intake", "intake__recorded_by")
    return related.filter(patient=patient).order_by("due_at", "regimen__medication__name")


def local_today(patient: Patient, now: datetime) -> date:
    """Return the day of the patient's calendar."""
    return now.astimezone(ZoneInfo(patient.time_zone)).date()


def doses_of_today(patient: Patient, now: datetime) -> list[ScheduledDose]:
    """Return today's doses in the patient's time zone, and any other whose window is open."""
    today = Q(local_date=local_today(patient, now)) | Q(opens_at__lte=now, closes_at__gte=now)
    return list(_doses(patient).filter(today))


def doses_of_days(patient: Patient, first: date, last: date) -> list[ScheduledDose]:
    """Return the doses of the days `first` to `last`, both inclusive, in order of time."""
    return list(_doses(patient).filter(local_date__range=(first, last)))


def openings_of_today(patient: Patient, now: datetime, limit: int = 5) -> list[Intake]:
    """Return the newest pillbox findings of the last 24 hours that settled no dose: looked, unclear, refilled."""
    unsettling = Intake.objects.filter(patient=patient, source="pillbox", doses__isnull=True)
    return list(unsettling.filter(at__gte=now - timedelta(hours=24), at__lte=now).order_by("-at")[:limit])


def measures_of(patient: Patient, first: date, last: date) -> Measures:
    """Return the measures of the days `first` to `last`, both inclusive."""
    rows = ScheduledDose.objects.filter(patient=patient, local_date__range=(first, last)).order_by("due_at")
    return measure((day, DoseState(state)) for day, state in rows.values_list("local_date", "state"))


def next_dose(patient: Patient, now: datetime) -> ScheduledDose | None:
    """Return the next dose still to be taken: one whose window is open, or the first to come."""
    return _doses(patient).filter(state=DoseState.PENDING, closes_at__gte=now).first()


def newest_risk(patient: Patient, dose: ScheduledDose | None) -> RiskEstimate | None:
    """Return the newest estimate for `dose`."""
    if dose is None:
        return None
    return RiskEstimate.objects.filter(patient=patient, dose=dose).order_by("-computed_at").first()


@dataclass(frozen=True, slots=True)
class _Moment:
    """All doses due at one moment, as one: taken when all were, with the longest delay."""

    due_at: datetime
    taken: bool
    delay_min: float


def _moments(rows: list[ScheduledDose]) -> list[_Moment]:
    made = []
    for due_at, group in groupby(rows, key=lambda dose: dose.due_at):
        doses = list(group)
        delays = [(dose.intake.at - due_at).total_seconds() / 60 for dose in doses if dose.intake is not None]
        taken = all(dose.state in SWALLOWED for dose in doses)
        made.append(_Moment(due_at, taken, max(delays) if taken and delays else float("nan")))
    return made


def history_before(patient: Patient, dose: ScheduledDose) -> History:
    """Return the settled doses before `dose`, and `dose` itself as the last row, as arrays.

    Doses due at the same moment are one row; doses ordered once say nothing about a habit and are left out. The last
    row's outcome is a placeholder that the features never read.
    """
    settled = _doses(patient).filter(
        single=False,
        state__in=[state.value for state in COUNTED],
        due_at__lt=dose.due_at,
        due_at__gte=dose.due_at - timedelta(days=HISTORY_DAYS),
    )
    moments = [*_moments(list(settled)), _Moment(dose.due_at, False, float("nan"))]
    zone = ZoneInfo(patient.time_zone)
    local = [moment.due_at.astimezone(zone) for moment in moments]
    return History(
        day=np.array([(at.date() - local[0].date()).days for at in local], dtype=np.int64),
        weekday=np.array([at.weekday() for at in local], dtype=np.int64),
        minute=np.array([at.hour * 60 + at.minute for at in local], dtype=np.int64),
        taken=np.array([moment.taken for moment in moments], dtype=np.bool_),
        delay_min=np.array([moment.delay_min for moment in moments], dtype=np.float64),
    )


def last_change(patient: Patient) -> datetime:
    """Return when any of the patient's doses last changed; the beginning of time when there is none."""
    newest = ScheduledDose.objects.filter(patient=patient).order_by("-changed_at").values_list("changed_at", flat=True)
    return newest.first() or datetime.min.replace(tzinfo=UTC)
