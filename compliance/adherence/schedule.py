"""From a regimen to doses: clock times in the patient's time zone become moments with a window around each.

A regimen speaks of wall-clock time ("08:00 and 20:00"), so the hours between doses change on the two days a year on
which the clock does. A clock time that spring skips is moved on by the skipped hour, and one that autumn repeats
means the first (RFC 5545, section 3.3.5). Windows are lengths of real time around the due moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

EVERY_DAY = frozenset(range(7))
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Plan:
    """When doses are due.

    times: local clock times, without a time zone. weekdays: 0 Monday to 6 Sunday. ends_on: last day, inclusive; None
    goes on. early, late: how long before and after the due moment an intake still counts as on time; both must be
    positive.
    """

    times: tuple[time, ...]
    time_zone: ZoneInfo
    starts_on: date
    ends_on: date | None = None
    weekdays: frozenset[int] = EVERY_DAY
    early: timedelta = timedelta(hours=1)
    late: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        if not self.times:
            raise ValueError("a plan needs at least one time of day")
        if len(set(self.times)) != len(self.times):
            raise ValueError("a plan names each time of day once")
        if not self.weekdays or not self.weekdays <= EVERY_DAY:
            raise ValueError("weekdays are 0 (Monday) to 6 (Sunday)")
        if min(self.early, self.late) <= timedelta(0):
            raise ValueError("the window before and after a dose must be longer than nothing")


@dataclass(frozen=True, slots=True)
class PlannedDose:
    """One dose: due at a moment (UTC), expected from `opens_at` until `closes_at`, on a day of the patient's
    calendar.
    """

    due_at: datetime
    opens_at: datetime
    closes_at: datetime
    local_date: date


def moment(day: date, clock: time, time_zone: ZoneInfo) -> datetime:
    """Return the UTC moment of a wall-clock time; see the module's text for skipped and repeated hours."""
    return datetime.combine(day, clock.replace(fold=0), tzinfo=time_zone).astimezone(UTC)


def _days(plan: Plan, first: date, last: date) -> Iterator[date]:
    day = max(first, plan.starts_on)
    end = last if plan.ends_on is None else min(last, plan.ends_on)
    while day <= end:
        if day.weekday() in plan.weekdays:
            yield day
        day += ONE_DAY


def expand(plan: Plan, start: datetime, end: datetime) -> list[PlannedDose]:
    """Return the doses due in [start, end), in order. Two clock times that a clock change makes one moment are one
    dose.
    """
    first = start.astimezone(plan.time_zone).date() - ONE_DAY
    last = end.astimezone(plan.time_zone).date() + ONE_DAY
    due = {moment(day, clock, plan.time_zone): day for day in _days(plan, first, last) for clock in plan.times}
    return [PlannedDose(at, at - plan.early, at + plan.late, due[at]) for at in sorted(due) if start <= at < end]
