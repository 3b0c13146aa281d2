"""What a virtual patient does in a day: meals, boluses, movement, tablets. The same seed and date give the same day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from twin.physiology.parameters import Floats
from twin.physiology.people import EpisodeKind, VirtualPatient

MOST_MOVEMENT = 1.2  # nobody hurries on a ward
MISSED_WITHIN_S = 3 * 3600.0
# Hour, carbohydrate in g, and how often it happens: hospital diet, three meals and a snack.
MEALS = ((7.5, 45.0, 1.0), (12.3, 62.0, 1.0), (15.7, 18.0, 0.5), (18.2, 58.0, 1.0))
COUNTING_ERROR = 0.14  # people misjudge carbohydrate; Brazeau et al., Diabetes Res Clin Pract 2013, found about 20 %


@dataclass(frozen=True, slots=True)
class Happening:
    """An amount at a moment: g of carbohydrate, U of insulin, or g of tablets."""

    t: float
    amount: float


@dataclass(frozen=True, slots=True)
class Bout:
    """A time of movement: intensity 1 is a brisk walk."""

    t: float
    duration_s: float
    intensity: float


@dataclass(frozen=True, slots=True)
class Day:
    """One person's day, in order of time."""

    meals: tuple[Happening, ...]
    boluses: tuple[Happening, ...]
    bouts: tuple[Bout, ...]
    intakes: tuple[Happening, ...]
    peeks: tuple[float, ...]  # the pillbox is opened out of curiosity


def plan_day(who: VirtualPatient, day: date, carb_ratio_g_per_u: float) -> Day:
    """Return the day of `who`; `carb_ratio_g_per_u` doses the meal boluses."""
    rng = who.rng(1, day.toordinal())
    meals, boluses = [], []
    for hour, carbs_g, chance in MEALS:
        t = who.moment(day, hour + rng.normal(0.0, 0.25))
        eaten = carbs_g * float(np.exp(rng.normal(0.0, 0.18)))
        counted = eaten * float(np.exp(rng.normal(0.0, COUNTING_ERROR)))
        ahead_s = rng.uniform(0.0, 900.0)
        if rng.random() < chance:
            meals.append(Happening(t, round(eaten)))
            boluses.append(Happening(t - ahead_s, round(counted / carb_ratio_g_per_u, 1)))
    bouts = [
        Bout(who.moment(day, rng.uniform(8.0, 20.0)), rng.uniform(240.0, 1200.0), rng.uniform(0.4, 1.1))
        for _ in range(rng.integers(4, 9))
    ]
    peeks = [who.moment(day, rng.uniform(9.0, 21.0))] if who.doses and rng.random() < 0.3 else []
    return Day(
        tuple(meals),
        tuple(boluses),
        tuple(sorted(bouts, key=lambda bout: bout.t)),
        tuple(_intakes(who, day, rng)),
        tuple(peeks + [e.at for e in who.of_kind(EpisodeKind.CURIOSITY) if who.local_date(e.at) == day]),
    )


def _intakes(who: VirtualPatient, day: date, rng: np.random.Generator) -> list[Happening]:
    """Return the tablets really taken: mostly some minutes around the due time, sometimes not at all."""
    missed = [episode.at for episode in who.of_kind(EpisodeKind.MISSED_DOSE)]
    taken = []
    for dose in who.doses:
        due = who.moment(day, dose.hour + dose.minute / 60.0)
        t = due + rng.gamma(2.0, 400.0) - 500.0
        remembered = rng.random() < who.adherence
        if remembered and not any(abs(due - at) < MISSED_WITHIN_S for at in missed):
            taken.append(Happening(t, dose.grams))
    return sorted(taken, key=lambda happening: happening.t)


def asleep(local_hour: Floats) -> Floats:
    """Return how deep in the night it is, 0 to 1: falling asleep around 22:30, waking around 06:30."""
    from_midnight = (local_hour + 12.0) % 24.0 - 12.0
    return np.asarray(1.0 / (1.0 + np.exp(-(from_midnight + 1.5) * 4.0)) / (1.0 + np.exp((from_midnight - 6.5) * 4.0)))


def movement(bouts: tuple[Bout, ...], t: Floats) -> Floats:
    """Return the intensity of movement at the times; the heart takes about a minute to follow and two to calm down."""
    total = np.zeros_like(t)
    for bout in bouts:
        rise = 1.0 / (1.0 + np.exp(-np.clip((t - bout.t) / 25.0, -40.0, 40.0)))
        fall = 1.0 / (1.0 + np.exp(np.clip((t - bout.t - bout.duration_s) / 50.0, -40.0, 40.0)))
        total += bout.intensity * rise * fall
    return np.minimum(total, MOST_MOVEMENT)
