"""Generator A: people move between phases (engaged, pausing, stopped) at rates of their own. Used for training.

Forgetting is a coin whose weight depends on the person, the hour, the day of the week and on yesterday's dose; a
pause ("drug holiday") begins at a personal rate and lasts at least three days; the worse someone's habit, the sooner
they stop. All numbers are chosen so that a once-daily cohort shows the published facts of `histories.Facts`; nothing
else about it is real.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compliance.adherence.histories import BoolArray, FloatArray, History, IntArray, Person

SLOTS: dict[int, tuple[int, ...]] = {1: (8 * 60,), 2: (8 * 60, 20 * 60), 3: (8 * 60, 13 * 60, 20 * 60)}
MIDDAY_MIN, EVENING_MIN = 11 * 60, 17 * 60


@dataclass(frozen=True, slots=True)
class Phases:
    """The generator's numbers: log-odds for forgetting, rates per day, minutes for delays."""

    forget_logit: float = -3.20
    forget_spread: float = 0.75
    after_miss: float = 0.30
    weekend: float = 0.30
    midday: float = 0.35
    evening: float = 0.25
    personal_spread: float = 0.35  # of the weekend and hour effects
    spell_spread: float = 0.8  # life changes: forgetting moves to another level every few weeks
    spell_days: float = 30.0
    pause_shape: float = 0.22  # gamma: most people hardly ever pause, some often
    pause_per_day: float = 0.0052
    pause_extra_days: float = 5.0  # mean beyond the three that make a pause
    warning_days: int = 4  # doses come later and later before a pause
    warning_min_per_day: float = 18.0
    stop_per_day: float = 0.0018
    stop_by_habit: float = 0.5  # log-hazard per standard deviation of the forgetting habit
    delay_spread_min: float = 28.0
    weekend_delay_min: float = 35.0


@dataclass(frozen=True, slots=True)
class Habit:
    """What is particular about one person."""

    forget_logit: float
    weekend: float
    midday: float
    evening: float
    pause_per_day: float
    stop_per_day: float
    delay_mean_min: float
    delay_spread_min: float


def _habit(rng: np.random.Generator, phases: Phases) -> Habit:
    z = rng.standard_normal()
    own = rng.normal(0.0, phases.personal_spread, 3)
    return Habit(
        forget_logit=phases.forget_logit + phases.forget_spread * z,
        weekend=phases.weekend + own[0],
        midday=phases.midday + own[1],
        evening=phases.evening + own[2],
        pause_per_day=float(rng.gamma(phases.pause_shape, phases.pause_per_day / phases.pause_shape)),
        stop_per_day=phases.stop_per_day * float(np.exp(phases.stop_by_habit * z)),
        delay_mean_min=float(rng.normal(0.0, 12.0)),
        delay_spread_min=phases.delay_spread_min * float(np.exp(rng.normal(0.0, 0.4))),
    )


def _spells(rng: np.random.Generator, phases: Phases, days: int) -> FloatArray:
    """Return what the present spell of life adds to the log-odds on every day: float64[days], piecewise constant."""
    spell = np.cumsum(rng.random(days) < 1.0 / phases.spell_days)
    return np.asarray(rng.normal(0.0, phases.spell_spread, int(spell[-1]) + 1)[spell])


def _pauses(rng: np.random.Generator, habit: Habit, phases: Phases, days: int) -> tuple[FloatArray, FloatArray]:
    """Return, for every day, whether it lies in a pause and how many warning days came before: float64[days] each."""
    pausing, warning = np.zeros(days), np.zeros(days)
    day = 0
    while True:
        day += 1 + int(rng.exponential(1.0 / max(habit.pause_per_day, 1e-9)))
        if day >= days:
            return pausing, warning
        length = 3 + int(rng.geometric(1.0 / (1.0 + phases.pause_extra_days))) - 1
        before = np.arange(max(0, day - phases.warning_days), day)
        warning[before] = before - day + phases.warning_days + 1
        pausing[day : day + length] = 1.0
        day += length


def person(
    rng: np.random.Generator,
    *,
    days: int,
    minutes: Sequence[int],
    first_weekday: int | None = None,
    phases: Phases | None = None,
) -> Person:
    """Return one person followed for `days` days or until they stop.

    minutes: due clock times, minutes after midnight. first_weekday: 0 Monday to 6 Sunday; any when None.
    """
    phases = phases or Phases()
    habit = _habit(rng, phases)
    stop_day = 1 + int(rng.exponential(1.0 / habit.stop_per_day))
    engaged = min(days, stop_day)
    pausing, warning = _pauses(rng, habit, phases, engaged)
    slots = np.array(sorted(minutes))
    day = np.repeat(np.arange(engaged), len(slots))
    minute = np.tile(slots, engaged)
    some_weekday = int(rng.integers(7))
    weekday = (day + (some_weekday if first_weekday is None else first_weekday)) % 7
    spell = _spells(rng, phases, engaged)[day]
    taken = _taken(rng, phases, pausing[day], _logit(habit, spell, weekday, minute))
    delay = _delays(rng, habit, phases, warning[day], weekday)
    delay[~taken] = np.nan
    return Person(History(day, weekday, minute, taken, delay), stop_day < days, engaged)


def _logit(habit: Habit, spell: FloatArray, weekday: IntArray, minute: IntArray) -> FloatArray:
    """Return the log-odds of forgetting each dose after one that was taken."""
    evening = minute >= EVENING_MIN
    hour = habit.midday * ((minute >= MIDDAY_MIN) & ~evening) + habit.evening * evening
    return np.asarray(habit.forget_logit + spell + habit.weekend * (weekday >= 5) + hour)


def _taken(rng: np.random.Generator, phases: Phases, pausing: FloatArray, logit: FloatArray) -> BoolArray:
    chance = 1.0 / (1.0 + np.exp(-logit))
    chance_after = 1.0 / (1.0 + np.exp(-(logit + phases.after_miss)))
    luck = rng.random(len(logit))
    taken = np.empty(len(logit), dtype=np.bool_)
    missed_before = False
    for i in range(len(logit)):
        missed_before = bool(pausing[i]) or luck[i] < (chance_after[i] if missed_before else chance[i])
        taken[i] = not missed_before
    return taken


def _delays(
    rng: np.random.Generator, habit: Habit, phases: Phases, warning: FloatArray, weekday: IntArray
) -> FloatArray:
    delay = rng.normal(habit.delay_mean_min, habit.delay_spread_min, len(weekday))
    return delay + phases.weekend_delay_min * (weekday >= 5) + phases.warning_min_per_day * warning


def cohort(seed: int, people: int, *, days: int = 365, doses_per_day: int | None = None) -> list[Person]:
    """Return `people` persons; each has its own random stream, so that person 7 is the same in a cohort of any size.

    Without `doses_per_day` 60 % take one dose a day, 30 % two, 10 % three.
    """
    made = []
    for index in range(people):
        rng = np.random.default_rng([seed, index])
        daily = doses_per_day or int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1]))
        made.append(person(rng, days=days, minutes=SLOTS[daily]))
    return made
