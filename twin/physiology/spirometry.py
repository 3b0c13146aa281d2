"""An emulated spirometer: what a person blows, from reference values of healthy people and what COPD leaves of them.

No manoeuvre is simulated breath by breath: there is no flow-volume loop, only the four numbers that a device reports.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from devices.emulator.plant import Sample
from twin.physiology.bedside import Cadence, battery, samples
from twin.physiology.noise import hashed_normal
from twin.physiology.people import Condition, VirtualPatient

REPEAT_SIGMA = 0.04  # from one session to the next, relative (E); within one, ATS/ERS 2019 wants 0.15 L
HEIGHT_M = {"female": (1.65, 0.065), "male": (1.78, 0.07)}  # mean and spread of European adults (E): no record has it

Equation = tuple[float, float, float, float]  # constant, per year of age, per year squared, per cm of height squared


@dataclass(frozen=True, slots=True)
class Lungs:
    """Forced vital capacity and volume of the first second in L, peak flow in L/s."""

    fvc_l: float
    fev1_l: float
    pef_l_per_s: float


# NHANES III, adults: Hankinson, Odencrantz, Fedan, Am J Respir Crit Care Med 159 (1999) 179, tables 4 and 5, for ages
# to 80; the oldest here lie beyond. Read in two programs that carry the tables independently of each other (rspiro, its
# data-raw/NHtb45.csv, and spiref), which agree in every digit. The paper has equations for three groups of the people
# of the United States; these are those of the largest, and no record here says who belongs to which.
NORMAL: dict[str, tuple[Equation, Equation, Equation]] = {
    "female": (
        (-0.3560, 0.01870, -0.000382, 0.00014815),
        (0.4333, -0.00361, -0.000194, 0.00011496),
        (0.9267, 0.06929, -0.001031, 0.00018623),
    ),
    "male": (
        (-0.1933, 0.00064, -0.000269, 0.00018642),
        (0.5536, -0.01303, -0.000172, 0.00014098),
        (1.0523, 0.08272, -0.001301, 0.00024962),
    ),
}
ADULT_YEARS = {"female": 18.0, "male": 20.0}  # where its equations of adults begin; below them it has others


def predicted(sex: str, height_m: float, age_years: float) -> Lungs:
    """Return the reference values of a healthy adult. A younger woman counts as 18, a younger man as 20."""
    age, height_cm = max(age_years, ADULT_YEARS[sex]), 100.0 * height_m
    return Lungs(*(b0 + b1 * age + b2 * age**2 + b3 * height_cm**2 for b0, b1, b2, b3 in NORMAL[sex]))


def lungs_of(who: VirtualPatient) -> Lungs:
    """Return the usual best values of a person: the same person, the same lungs.

    COPD: FEV1/FVC below 0.70 (GOLD) with a mildly reduced FVC, which together come to GOLD grades 2 and 3 (E).
    Somebody whose record tells no sex is drawn one.
    """
    rng = who.rng(11)
    sex = who.sex if who.sex in NORMAL else ("female", "male")[int(rng.integers(2))]
    mean, spread = HEIGHT_M[sex]
    height_m = float(np.clip(rng.normal(mean, spread), mean - 2.0 * spread, mean + 2.0 * spread))
    normal = predicted(sex, height_m, who.age_years)
    if Condition.COPD in who.conditions:
        fvc, ratio = normal.fvc_l * rng.uniform(0.75, 0.95), rng.uniform(0.40, 0.62)
    else:
        fvc = normal.fvc_l * rng.uniform(0.88, 1.10)
        ratio = min(normal.fev1_l / normal.fvc_l * rng.uniform(0.97, 1.03), 0.92)
    fev1 = fvc * ratio
    return Lungs(fvc, fev1, normal.pef_l_per_s * fev1 / normal.fev1_l)


class Spirometer:
    """The best of each session's manoeuvres, at an hour of the person's own."""

    def __init__(self, device: int, who: VirtualPatient, period_s: float) -> None:
        self.device, self.who, self.lungs = device, who, lungs_of(who)
        self._sessions = Cadence(period_s, period_s)
        self._after_s = float(who.rng(12).uniform(0.0, period_s))

    def emit(self, since: float, until: float, coarse: bool) -> Iterator[Sample]:
        """Yield the four values of every session: an examination is never thinned out."""
        t = self._sessions.ticks(since - self._after_s, until - self._after_s, coarse) + self._after_s
        moment = np.round(t).astype(np.int64)
        volume = 1.0 + REPEAT_SIGMA * hashed_normal(self.who.seed, moment)
        # The first second depends on the day's airways too, peak flow most on effort.
        airway = 1.0 + 0.5 * REPEAT_SIGMA * hashed_normal(self.who.seed + 1, moment)
        effort = 1.0 + REPEAT_SIGMA * hashed_normal(self.who.seed + 2, moment)
        fvc = self.lungs.fvc_l * volume
        fev1 = np.minimum(self.lungs.fev1_l * volume * airway, fvc)
        yield from samples(self.device, "fvc", t, fvc)
        yield from samples(self.device, "fev1", t, fev1)
        yield from samples(self.device, "fev1_fvc", t, 100.0 * fev1 / fvc)
        yield from samples(self.device, "pef", t, self.lungs.pef_l_per_s * volume * airway * effort)
        yield from battery(self.device, self.device, since, until, coarse)
