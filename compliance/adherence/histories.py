"""Dose histories as arrays, and the facts by which a synthetic cohort is judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compliance.adherence.measures import runs

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class History:
    """Doses of one person in order of time. All arrays have the shape [n].

    day: int64, calendar days since the first; weekday: int64, 0 Monday to 6 Sunday; minute: int64, due clock time in
    minutes after midnight; taken: bool; delay_min: float64, minutes from due to intake, NaN where missed or unknown.
    """

    day: IntArray
    weekday: IntArray
    minute: IntArray
    taken: BoolArray
    delay_min: FloatArray

    def __len__(self) -> int:
        return len(self.day)

    def head(self, n: int) -> History:
        """Return the first `n` doses."""
        return History(self.day[:n], self.weekday[:n], self.minute[:n], self.taken[:n], self.delay_min[:n])


@dataclass(frozen=True, slots=True)
class Person:
    """A synthetic person: the doses while engaged with the treatment, and whether they stopped before the end."""

    history: History
    stopped: bool
    days_engaged: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What Vrijens et al. (BMJ 2008;336:1114) report of once-daily treatment, measured on a cohort.

    omitted: share of doses omitted while engaged (published 0.10). single, long: shares of omitted doses that stand
    alone (0.42) or in runs of three days or more (0.43). holiday: share of people with at least one such run in a
    year (about half). stopped: share who stop within a year (about half).
    """

    omitted: float
    single: float
    long: float
    holiday: float
    stopped: float


def facts(people: list[Person]) -> Facts:
    """Measure a cohort followed for a year. `holiday` counts people who were engaged for the whole year."""
    lengths = [runs(~person.history.taken) for person in people]
    every = np.array([length for person in lengths for length in person if length])
    omitted = int(every.sum())
    whole_year = [person for person, human in zip(lengths, people, strict=True) if not human.stopped]
    return Facts(
        omitted=omitted / sum(len(person.history) for person in people),
        single=float(every[every == 1].sum()) / omitted,
        long=float(every[every >= 3].sum()) / omitted,
        holiday=float(np.mean([max(person) >= 3 for person in whole_year])),
        stopped=float(np.mean([person.stopped for person in people])),
    )
