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

Equation = tuple[float, float, float]  # per m of height, per year of age, constant


@dataclass(frozen=True, slots=True)
class Lungs:
    """Forced vital capacity and volume of the first second in L, peak flow in L/s."""

    fvc_l: float
    fev1_l: float
    pef_l_per_s: float


# ECCS/ERS: Quanjer et al., Eur Respir J 6 Suppl 16 (1993) 5, for ages 18 to 70; the oldest here lie beyond.
NORMAL: dict[str, tuple[Equation, Equation, Equation]] = {
    "female": ((4.43, -0.026, -2.89), (3.95, -0.025, -2.60), (5.50, -0.030, -1.11)),
    "male": ((5.76, -0.026, -4.34), (4.30, -0.029, -2.49), (6.14, -0.043, 0.15)),
}


def predicted(sex: str, height_m: float, age_years: float) -> Lungs:
    """Return the reference values of a healthy adult. An age below 25 counts as 25, as the equations have it."""
    age = max(age_years, 25.0)
    return Lungs(*(per_m * height_m + per_year * age + constant for per_m, per_year, constant in NORMAL[sex]))


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
