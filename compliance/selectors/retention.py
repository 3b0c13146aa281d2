"""The retention schedule in force, who is under a legal hold, and what a person's erasure would do now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from compliance.errors import ScheduleInvalid
from compliance.models import LegalHold, Patient
from compliance.privacy.erasers import Part, parts
from compliance.privacy.retention import HOUSE_FILE, Schedule, read_schedule


def active_schedule() -> Schedule:
    """Return the schedule in force. Raises ScheduleInvalid."""
    path = settings.RETENTION_FILE or HOUSE_FILE
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ScheduleInvalid("The file that RETENTION_FILE names cannot be read.") from error
    return _checked(text)


@lru_cache(maxsize=4)
def _checked(text: str) -> Schedule:
    return read_schedule(text)


def held_patients() -> frozenset[UUID]:
    """Return everybody under a legal hold."""
    return frozenset(LegalHold.objects.filter(lifted_at=None).values_list("patient_id", flat=True))


def holds_on(patient: Patient) -> QuerySet[LegalHold]:
    """Return every hold that lies or lay on a record, newest first."""
    return LegalHold.objects.filter(patient=patient).select_related("placed_by", "lifted_by")


def is_held(patient_id: UUID) -> bool:
    """Tell whether a legal hold lies on a record."""
    return LegalHold.objects.filter(patient_id=patient_id, lifted_at=None).exists()


@dataclass(frozen=True, slots=True)
class Planned:
    """One part of an erasure: gone at once, or kept by law until a day."""

    part: Part
    not_before: datetime | None = None
    because: str = ""


def plan_for(patient_id: UUID, now: datetime, *, bound: bool = True) -> list[Planned]:
    """Return what an erasure approved now would do, part by part. bound: the law may hold parts back."""
    schedule = active_schedule()
    found = list(_planned(patient_id, now, schedule)) if bound else [Planned(part) for part in parts()]
    kept = max((one.not_before for one in found if one.not_before), default=None)
    if kept is None:
        return found
    # Records that are kept stay the person's: whose they are goes with the last of them.
    because = "Whose the kept records are"
    return [Planned(one.part, kept, because) if one.part.key == "identity" else one for one in found]


def _planned(patient_id: UUID, now: datetime, schedule: Schedule) -> Iterator[Planned]:
    for part in parts():
        rule = schedule.rule(part.law) if part.law else None
        newest = part.newest(patient_id) if rule is not None and rule.demanded else None
        until = newest + timedelta(days=rule.keep_days) if newest is not None and rule is not None else None
        if until is not None and until > now:
            yield Planned(part, until, rule.because if rule else "")
        else:
            yield Planned(part)
