"""Remove what is over age: every kind of the schedule in small steps, with a row and an event of how much went."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from compliance.errors import DomainError
from compliance.models import EventCategory, RetentionRun
from compliance.privacy.retention import Rule, kinds
from compliance.selectors.retention import active_schedule, held_patients
from compliance.services.events import record_error, record_event

log = logging.getLogger(__name__)
AT_ONCE = 500  # items in one transaction
MOST_A_RUN = 100_000  # items of a kind: the rest goes tomorrow, and nobody waits for the database today


@dataclass(frozen=True, slots=True)
class Due:
    """A rule with the kind that it is about, and how much of it is over age now."""

    rule: Rule
    words: str
    before: datetime
    items: int


def due_now(now: datetime) -> Iterator[Due]:
    """Yield for every rule what a run would remove now, and remove nothing. Raises ScheduleInvalid."""
    schedule, held, known = active_schedule(), held_patients(), kinds()
    for rule in schedule.rules:
        kind, before = known[rule.kind], rule.before(now)
        yield Due(rule, kind.words, before, kind.count(before, held))


def remove_over_age(*, now: datetime) -> RetentionRun:
    """Run the schedule and return what was done. A schedule that cannot be read removes nothing and is an event."""
    run = RetentionRun.objects.create(began_at=now, schedule="")
    try:
        schedule = active_schedule()
        run.schedule = schedule.name
        for rule in schedule.rules:
            run.removed[rule.kind] = _remove(rule, now)
            run.save(update_fields=["removed", "schedule"])  # killed after this, the page says how far it got
    except DomainError as error:
        run.problem = error.message[:240]
        record_error(error, category=EventCategory.OPERATION)
    with transaction.atomic():
        run.held, run.finished_at = len(held_patients()), timezone.now()
        run.save(update_fields=["held", "finished_at", "problem", "schedule"])
        record_event(
            category=EventCategory.OPERATION,
            code="retention_ran",
            message="What is over age was removed." if not run.problem else "Removing what is over age stopped.",
            detail={"run": run.pk, "removed": run.removed, "held": run.held},
        )
    return run


def _remove(rule: Rule, now: datetime) -> int:
    kind, removed = kinds()[rule.kind], 0
    while removed < MOST_A_RUN:
        with transaction.atomic():  # holds are asked for each step: one placed meanwhile counts
            gone = kind.remove(rule.before(now), held_patients(), AT_ONCE)
        if not gone:
            break
        removed += gone
    if removed:
        log.info("retention removed %s of %s", removed, rule.kind)
    return removed
