"""Alerts about medication: a dose whose window closed and that nobody saw being taken."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone

from compliance.adherence.measures import DoseState
from compliance.models import EventCategory, Patient, ScheduledDose
from compliance.services.events import record_event
from twin.alerts.priority import Priority
from twin.models import Alert
from twin.services.alerts import Condition, Key, end_alerts, raise_alerts

# A dose that was missed longer ago is history: the next one is due before anybody could still give it.
TOO_LATE = timedelta(hours=6)
_DAY = ((5, "Night"), (11, "Morning"), (14, "Midday"), (18, "Afternoon"), (22, "Evening"), (24, "Night"))


def alert_missed_dose(*, patient: Patient, dose: ScheduledDose, again: bool = False) -> list[Alert]:
    """Raise an alert that a dose was not seen; `again` after an entry that accounted for it was taken back."""
    now = timezone.now()
    if again and dose.state != DoseState.MISSED:
        return []  # its window is still open
    if now - dose.closes_at > TOO_LATE:
        _record_late(patient, dose)
        return []
    condition = Condition(
        key=_key(patient, dose),
        metric="",
        priority=Priority.LOW,
        message=f"{time_of_day(dose.due_at, patient.time_zone)} dose not seen",
        event_time=now if again else dose.closes_at,
    )
    return raise_alerts(conditions=[condition], now=now)


def end_dose_alerts(*, patient: Patient, doses: Iterable[ScheduledDose]) -> list[Alert]:
    """End the alerts of doses that an intake accounts for after all."""
    return end_alerts(keys=[_key(patient, dose) for dose in doses], reason="The dose was taken")


def time_of_day(moment: datetime, time_zone: str) -> str:
    """Return what the patient's clock calls the moment: Morning, Midday, Afternoon, Evening or Night."""
    hour = moment.astimezone(ZoneInfo(time_zone)).hour
    return next(name for until, name in _DAY if hour < until)


def _key(patient: Patient, dose: ScheduledDose) -> Key:
    return Key(patient.pk, None, f"dose_missed:{dose.pk}")


def _record_late(patient: Patient, dose: ScheduledDose) -> None:
    record_event(
        category=EventCategory.CLINICAL,
        code="would_have_alarmed",
        message=f"A dose due at {dose.due_at:%Y-%m-%d %H:%M} UTC was not seen; this was known too late to act.",
        patient=patient,
        detail={"rule": f"dose_missed:{dose.pk}"},
    )
