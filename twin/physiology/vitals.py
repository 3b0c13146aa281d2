"""Heart rate, oxygen saturation, respiration, blood pressure and temperature of one person, as functions of time.

Each sign is a personal resting value plus what sleep, movement, the hour, illness and scripted episodes do to it,
plus slow and fast physiological wander. Sizes of the couplings: heart rate rises about 8/min per degree of fever
(Karjalainen 1986), falls by about 10 % in sleep, follows movement; respiration follows both; the body's clock moves
temperature by 0.5 degrees with its peak in the late afternoon (Waterhouse 2005); hypoglycaemia drives the adrenergic
response from about 68 mg/dL down (Cryer 2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.physiology.daily import Day, asleep, movement
from twin.physiology.noise import Wander
from twin.physiology.parameters import Floats
from twin.physiology.people import Condition, EpisodeKind, VirtualPatient


@dataclass(frozen=True, slots=True)
class Signs:
    """Vital signs at n times, each float64[n]."""

    heart_rate: Floats  # 1/min
    spo2: Floats  # %
    respiration_rate: Floats  # 1/min
    bp_systolic: Floats  # mmHg
    bp_diastolic: Floats  # mmHg
    temperature: Floats  # degrees Celsius

    @property
    def bp_mean(self) -> Floats:
        """Mean arterial pressure, mmHg: diastolic plus a third of the pulse pressure."""
        return np.asarray(self.bp_diastolic + (self.bp_systolic - self.bp_diastolic) / 3.0)


@dataclass(frozen=True, slots=True)
class Resting:
    """A person's values awake and at rest."""

    heart_rate: float
    spo2: float
    respiration_rate: float
    bp_systolic: float
    bp_diastolic: float
    temperature: float
    reserve: float  # 1 in health; lower lungs and heart fall further in an episode


def resting_values(who: VirtualPatient) -> Resting:
    """Draw the person's resting values from seed, age and conditions."""
    rng, has = who.rng(4), who.conditions.__contains__
    copd, failing, pressure = has(Condition.COPD), has(Condition.HEART_FAILURE), has(Condition.HYPERTENSION)
    systolic = rng.normal(126.0, 5.0) + 0.2 * (who.age_years - 50.0) + (18.0 if pressure else 0.0)
    return Resting(
        heart_rate=rng.normal(72.0, 4.0) + (10.0 if failing else 0.0) + (4.0 if copd else 0.0),
        spo2=rng.normal(97.4, 0.5) - (4.6 if copd else 0.0) - (1.5 if failing else 0.0),
        respiration_rate=rng.normal(15.2, 0.9) + (4.0 if copd else 0.0) + (2.5 if failing else 0.0),
        bp_systolic=systolic - (8.0 if failing else 0.0),
        bp_diastolic=0.42 * systolic + rng.normal(25.0, 3.0) + (6.0 if pressure else 0.0),
        temperature=rng.normal(36.7, 0.12) + (1.1 if has(Condition.INFECTION) else 0.0),
        reserve=0.75 if copd or failing else 1.0,
    )


class VitalSigns:
    """The vital signs of one person. The same seed and time give the same value."""

    def __init__(self, who: VirtualPatient) -> None:
        self.who = who
        self.rest = resting_values(who)
        rng = who.rng(5)
        self._slow = {name: Wander.drawn(rng, 900.0, 12) for name in ("heart", "spo2", "breath", "pressure", "heat")}
        self._fast = {name: Wander.drawn(rng, 25.0, 12) for name in ("heart", "spo2", "breath", "pressure")}

    def at(self, t: Floats, day: Day, glucose_mg_dl: Floats | None = None) -> Signs:
        """Return the signs at the times float64[n]; without `glucose_mg_dl` glucose is taken for normal."""
        rest, hour = self.rest, self.who.local_hour(t)
        sleep, moving = asleep(hour), movement(day.bouts, t)
        fever = self._episodes(EpisodeKind.FEVER, t) * 1.8
        racing = self._episodes(EpisodeKind.TACHYCARDIA, t)
        choking = self._episodes(EpisodeKind.DESATURATION, t)
        adrenaline = np.zeros_like(t) if glucose_mg_dl is None else np.clip((68.0 - glucose_mg_dl) / 20.0, 0.0, 1.0)
        temperature = rest.temperature + 0.25 * np.cos((hour - 17.0) * np.pi / 12.0) + fever
        temperature = temperature + 0.08 * self._slow["heat"].at(t) + 0.15 * moving
        heart = rest.heart_rate * (1.0 - 0.10 * sleep) + 28.0 * moving + 8.0 * (temperature - 36.9)
        heart = heart + 45.0 * racing + 18.0 * choking + 22.0 * adrenaline
        heart = heart + 2.6 * self._slow["heart"].at(t) + 1.5 * self._fast["heart"].at(t)
        breath = (
            rest.respiration_rate * (1.0 - 0.14 * sleep) + 7.0 * moving + 2.0 * fever + 9.0 * choking + 3.0 * racing
        )
        breath = breath + 0.9 * self._slow["breath"].at(t) + 0.7 * self._fast["breath"].at(t)
        saturation = rest.spo2 - 0.9 * sleep - 9.5 * choking / rest.reserve - 0.8 * moving / rest.reserve
        saturation = saturation + 0.45 * self._slow["spo2"].at(t) + 0.3 * self._fast["spo2"].at(t)
        strain = 14.0 * moving + 8.0 * adrenaline + 6.0 * choking - 6.0 * racing - 4.0 * fever
        pressure = strain + 3.5 * self._slow["pressure"].at(t) + 1.5 * self._fast["pressure"].at(t)
        systolic = rest.bp_systolic * (1.0 - 0.07 * sleep) + pressure
        return Signs(
            heart_rate=np.clip(heart, 35.0, 210.0),
            spo2=np.clip(saturation, 60.0, 100.0),
            respiration_rate=np.clip(breath, 6.0, 45.0),
            bp_systolic=np.clip(systolic, 70.0, 230.0),
            bp_diastolic=np.clip(rest.bp_diastolic * (1.0 - 0.07 * sleep) + 0.45 * pressure, 35.0, 130.0),
            temperature=np.clip(temperature, 34.0, 41.5),
        )

    def _episodes(self, kind: EpisodeKind, t: Floats) -> Floats:
        total = np.zeros_like(t)
        for episode in self.who.of_kind(kind):
            total += episode.envelope(t)
        return total
