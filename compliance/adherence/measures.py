"""Adherence in numbers, from the states of past doses.

Words follow the taxonomy of Vrijens et al., Br J Clin Pharmacol 2012;73:691 (initiation, implementation,
discontinuation); these are measures of implementation. Doses that a clinician cancelled, or whose window is still
open, count nowhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class DoseState(StrEnum):
    """What became of a dose."""

    PENDING = "pending"
    TAKEN = "taken"  # inside its window
    LATE = "late"  # after the window closed, before the next dose
    MISSED = "missed"  # the window closed and nothing was seen
    SKIPPED = "skipped"  # cancelled by a clinician


SWALLOWED = frozenset({DoseState.TAKEN, DoseState.LATE})
COUNTED = SWALLOWED | {DoseState.MISSED}


@dataclass(frozen=True, slots=True)
class Measures:
    """The measures of one period; rates are shares of 1, and None where the period holds nothing to count.

    pdc: proportion of days covered: days on which every counted dose was taken, over days with a counted dose. The
    refill measure of that name (Pharmacy Quality Alliance; Nau 2012) counts days with the medicine at hand; with a
    pillbox we know the days on which it was taken, which is stricter. on_time_rate: doses taken inside their window,
    over doses counted. taken_rate: doses taken, late ones too, over doses counted. streak_days: covered days in a row
    up to the newest counted day. longest_streak_days: the longest such row. holidays: runs of three or more days with
    no dose (Vrijens, BMJ 2008).
    """

    days: int
    doses: int
    pdc: float | None
    on_time_rate: float | None
    taken_rate: float | None
    streak_days: int
    longest_streak_days: int
    holidays: int


def by_day(doses: Iterable[tuple[date, DoseState]]) -> dict[date, list[DoseState]]:
    """Group counted doses by the day of the patient's calendar, in order."""
    days: dict[date, list[DoseState]] = defaultdict(list)
    for day, state in doses:
        if state in COUNTED:
            days[day].append(state)
    return dict(sorted(days.items()))


def runs(flags: Iterable[bool]) -> list[int]:
    """Return the lengths of the runs of true values, in order; a trailing 0 when the last value is false or there is
    none.
    """
    lengths, current = [], 0
    for flag in flags:
        if flag:
            current += 1
        elif current:
            lengths.append(current)
            current = 0
    return [*lengths, current]


def measure(doses: Iterable[tuple[date, DoseState]]) -> Measures:
    """Return the measures over `doses`: (day of the patient's calendar, state)."""
    days = by_day(doses)
    states = [state for day in days.values() for state in day]
    covered = [all(state in SWALLOWED for state in day) for day in days.values()]
    empty = [not any(state in SWALLOWED for state in day) for day in days.values()]
    streaks = runs(covered)
    return Measures(
        days=len(days),
        doses=len(states),
        pdc=_share(covered),
        on_time_rate=_share([state is DoseState.TAKEN for state in states]),
        taken_rate=_share([state in SWALLOWED for state in states]),
        streak_days=streaks[-1],
        longest_streak_days=max(streaks),
        holidays=sum(length >= 3 for length in runs(empty)),
    )


def _share(flags: list[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None
