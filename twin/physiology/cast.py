"""The invented people of an emulated ward: names, ages, what they live with and which devices they wear.

Any resemblance is chance: given and family names are paired by arithmetic from common European ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from twin.physiology.people import Condition, Episode, EpisodeKind


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GIVEN_FEMALE = _words(
    "Helga Maria Ingrid Sofia Amina Petra Elif Jana Luisa Greta Olga Fatima Renate Zofia Carmen Birgit Noor Katja "
    "Agnes Leyla Margit Teresa Hanna Ines"
)
GIVEN_MALE = _words(
    "Otto Jonas Mehmet Karl Pavel Luca Heinz Samir Erik Bruno Tomasz Albert Yusuf Georg Milan Anton Rolf Diego "
    "Walter Emil Nils Stefan Viktor Hugo"
)
FAMILY = _words(
    "Brandt Keller Yilmaz Hoffmann Lindgren Nowak Schuster Rossi Behrens Horvat Demir Vogel Jansen Petrov Albrecht "
    "Costa Engel Farkas Graf Hansen Ivanova Jung Kowalski Lorenz Moser Nagy Olsen Pohl Quast Richter Sato Thiel "
    "Ulrich Varga Wirth Ziegler Aydin Busch Conrad Dietz Ebert Fuchs Gruber Haas"
)


@dataclass(frozen=True, slots=True)
class Archetype:
    """A kind of patient: what the board says, what it does to the body, what is worn, and the ages it is usual at."""

    text: str
    conditions: tuple[Condition, ...]
    devices: tuple[str, ...]
    ages: tuple[int, int]


PUMPED = ("cgm", "insulin_pump", "vital_signs_monitor", "smart_pillbox")
INFUSED = ("vital_signs_monitor", "infusion_pump", "smart_pillbox")
ARCHETYPES = (
    Archetype("Type 1 diabetes", (Condition.TYPE_1_DIABETES,), PUMPED, (24, 55)),
    Archetype("Type 1 diabetes, hypertension", (Condition.TYPE_1_DIABETES, Condition.HYPERTENSION), PUMPED, (45, 72)),
    Archetype("COPD", (Condition.COPD,), (*INFUSED, "spirometer"), (58, 82)),
    Archetype("Hypertension", (Condition.HYPERTENSION,), ("vital_signs_monitor", "smart_pillbox"), (52, 84)),
    Archetype("Pneumonia", (Condition.INFECTION,), INFUSED, (35, 80)),
    Archetype("Heart failure", (Condition.HEART_FAILURE,), INFUSED, (62, 88)),
)


@dataclass(frozen=True, slots=True)
class Person:
    """One invented patient."""

    given_name: str
    family_name: str
    sex: str
    birth_date: date
    weight_kg: float
    bed: str
    archetype: Archetype


def person(index: int, today: date) -> Person:
    """Return the invented patient in bed number `index` (from 0).

    The same index gives the same person, a day older each day.
    """
    rng = np.random.default_rng([17, index])
    archetype = ARCHETYPES[index % len(ARCHETYPES)]
    female = bool(rng.random() < 0.5)
    given = GIVEN_FEMALE if female else GIVEN_MALE
    age_days = int(rng.integers(archetype.ages[0] * 366, archetype.ages[1] * 365))
    born = date(today.year, 1, 1) - timedelta(days=age_days)
    return Person(
        given_name=given[(index * 5 + index // len(given)) % len(given)],
        family_name=FAMILY[(index * 7 + 3) % len(FAMILY)],
        sex="female" if female else "male",
        birth_date=born,
        weight_kg=round(float(rng.normal(68.0 if female else 82.0, 9.0)), 1),
        bed=f"{index // 2 + 1}{'AB'[index % 2]}",
        archetype=archetype,
    )


def opening_script(index: int, now: float) -> list[Episode]:
    """Return what befalls patient number `index` in the first minutes of a demonstration that starts at `now`."""
    kind = EpisodeKind
    first_minutes = {
        0: [Episode(kind.OCCLUSION, now + 50.0, 600.0)],
        1: [Episode(kind.HYPOGLYCAEMIA, now + 80.0, 900.0)],
        2: [Episode(kind.DESATURATION, now + 110.0, 200.0)],
        3: [Episode(kind.MISSED_DOSE, now, 600.0), Episode(kind.CURIOSITY, now + 150.0)],
    }
    return first_minutes.get(index, [])


def running_script(patients: int, now: float, hours: float = 6.0) -> dict[int, list[Episode]]:
    """Return what happens later, by patient number: one thing about every twelve minutes, so that the ward stays
    calm.
    """
    rng = np.random.default_rng([23, int(now // 60)])
    kinds = (EpisodeKind.DESATURATION, EpisodeKind.TACHYCARDIA, EpisodeKind.OCCLUSION, EpisodeKind.FEVER)
    script: dict[int, list[Episode]] = {}
    at = now + 600.0
    while at < now + hours * 3600.0 and patients:
        kind = kinds[int(rng.integers(len(kinds)))]
        duration_s = {EpisodeKind.FEVER: 5400.0, EpisodeKind.TACHYCARDIA: 300.0}.get(kind, 240.0)
        episode = Episode(kind, round(at, 1), duration_s, round(float(rng.uniform(0.7, 1.1)), 2))
        script.setdefault(int(rng.integers(patients)), []).append(episode)
        at += float(rng.uniform(400.0, 1100.0))
    return script
