"""Generator B: one hidden motivation that drifts, with no phases at all. Used for testing only, never for training.

Where generator A switches between phases, here a slow random walk around a personal mean (an Ornstein-Uhlenbeck
process, one step a day) lowers and raises the chance of every dose through a normal threshold; each miss makes the
next more likely for a while (self-excitation); journeys shift the routine; everybody has one weekday of their own
that goes wrong; delays have heavy tails and follow motivation instead of announcing a pause; stopping follows a
Weibull clock that low motivation speeds up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compliance.adherence.generator_phases import SLOTS
from compliance.adherence.histories import BoolArray, FloatArray, History, Person


@dataclass(frozen=True, slots=True)
class Motivation:
    """The generator's numbers. Motivation is in probit units: chance of missing = normal_cdf(-motivation)."""

    mean: float = 2.07
    spread_between: float = 0.80
    spread_within: float = 0.76
    memory: float = 0.94  # of the walk, from one day to the next
    excitement: float = 0.33  # added by a miss
    excitement_kept: float = 0.5  # from one dose to the next
    journeys_per_day: float = 1.0 / 200.0
    journey_cost: float = 0.9
    journey_days: tuple[int, int] = (2, 9)
    bad_weekday: float = 0.45
    midday: float = 0.15
    evening: float = 0.20
    stop_scale_days: float = 580.0
    stop_shape: float = 0.85
    stop_by_mean: float = 0.65


def _walk(rng: np.random.Generator, numbers: Motivation, days: int) -> FloatArray:
    steps = rng.normal(0.0, numbers.spread_within * np.sqrt(1 - numbers.memory**2), days)
    walk = np.empty(days)
    level = rng.normal(0.0, numbers.spread_within)
    for day in range(days):
        level = numbers.memory * level + steps[day]
        walk[day] = level
    return walk


def _journeys(rng: np.random.Generator, numbers: Motivation, days: int) -> FloatArray:
    cost = np.zeros(days)
    for start in np.flatnonzero(rng.random(days) < numbers.journeys_per_day):
        cost[start : start + int(rng.integers(*numbers.journey_days))] = numbers.journey_cost
    return cost


def person(rng: np.random.Generator, *, days: int, doses_per_day: int, numbers: Motivation | None = None) -> Person:
    """Return one person followed for `days` days or until they stop."""
    numbers = numbers or Motivation()
    z = rng.standard_normal()
    mean = numbers.mean + numbers.spread_between * z
    scale = numbers.stop_scale_days * np.exp(numbers.stop_by_mean * z)
    stop_day = 1 + int(scale * rng.weibull(numbers.stop_shape))
    engaged = min(days, stop_day)
    slots = np.array(SLOTS[doses_per_day]) + int(rng.integers(-45, 46))
    day = np.repeat(np.arange(engaged), len(slots))
    minute = np.tile(slots, engaged)
    weekday = (day + int(rng.integers(7))) % 7
    motivation = mean + _walk(rng, numbers, engaged) - _journeys(rng, numbers, engaged)
    level = motivation[day]
    level = level - numbers.bad_weekday * (weekday == int(rng.integers(7)))
    level = level - numbers.evening * (minute >= 17 * 60) - numbers.midday * ((minute >= 660) & (minute < 17 * 60))
    taken = _taken(rng, numbers, level)
    delay = 15.0 - 12.0 * (motivation[day] - numbers.mean) + 18.0 * rng.standard_t(3, len(day))
    delay[~taken] = np.nan
    return Person(History(day, weekday, minute, taken, delay), stop_day < days, engaged)


def _taken(rng: np.random.Generator, numbers: Motivation, level: FloatArray) -> BoolArray:
    threshold = rng.standard_normal(len(level))
    taken = np.empty(len(level), dtype=np.bool_)
    excitement = 0.0
    for i in range(len(level)):
        taken[i] = threshold[i] > -(level[i] - excitement)
        excitement = numbers.excitement_kept * excitement + (0.0 if taken[i] else numbers.excitement)
    return taken


def cohort(seed: int, people: int, *, days: int = 365, doses_per_day: int | None = None) -> list[Person]:
    """Return `people` persons; without `doses_per_day` half take one dose a day, 35 % two, 15 % three."""
    made = []
    for index in range(people):
        rng = np.random.default_rng([seed, index, 0xB])
        daily = doses_per_day or int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))
        made.append(person(rng, days=days, doses_per_day=daily))
    return made
