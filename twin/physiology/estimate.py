"""From what a sensor and a pump reported to an ensemble of plausible bodies now: the present that forecasts start from.

The pump's insulin is known, so each member's insulin compartments are simply simulated through the last hours.
Glucose is led along the sensor's curve, and what the model would have needed besides to follow it is the unexplained
flux: food nobody entered when it is positive, movement or a more sensitive body when it is negative. The constants
were chosen by hand on the training part of AZT1D; `benchmarks/physiology.py` prints what the twin achieves there by
itself, and what the learnt forecast makes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twin.physiology.glucose import MG_DL_PER_MMOL_L, Compartment, Inputs, steady_state, step
from twin.physiology.parameters import PUBLISHED, Floats, Parameters

HISTORY_MIN = 300  # after five hours nothing of a bolus is left in the depots
STEP_MIN = 5.0
FLUX_OVER_MIN = 10.0  # how far back the unexplained flux is averaged
RESTING_MG_DL = 125.0  # where a pump's basal rate is assumed to hold a person
USUAL_SENSITIVITY = 0.5  # of the published one, where no pump tells
MATCHED_G_PER_U = 28.0  # of carbohydrate, by the published body
UNANNOUNCED = (0.4, 1.4)  # how much of that goes with a bolus for which nobody entered a meal
BOLUS_STRENGTH = 0.7  # pumps that correct by themselves give a part of the resting need as boluses
SENSITIVITY_RANGE = (0.1, 1.5)  # a pump at rest for an hour must not make a body of sugar
SENSOR_ERROR = 0.04  # relative
FLUX_SIGMA_MG_DL_PER_MIN = 1.8  # so wide that nine tenths of what came lay inside the bands
LEAD_MIN = 6.0  # blood before sensor: half the model's 14 min, since the full lead would double the sensor's noise
TRUST = 0.8  # how much of a fresh trend to believe
TRUST_LASTING = 0.8  # and of one that has gone on for hours
YOUNG_MEAL = 0.3  # of what is seen of a meal, how much may still wait in the stomach
FADING_MIN = 40.0  # what vanished lately fades with this time constant
SLOW_OVER_MIN = 150.0  # a flux that has lasted is a wrong idea of the person, and lasts on


@dataclass(frozen=True, slots=True)
class Observed:
    """What devices reported until `at`, s since the Unix epoch.

    glucose_t, glucose_mg_dl: float64[n], rising times. bolus_t, bolus_u: float64[m]. basal_t, basal_u_per_h:
    float64[k], the rate that holds from each moment on; empty without a pump. carbs_t, carbs_g: meals that were
    entered, mostly none.
    """

    at: float
    weight_kg: float
    glucose_t: Floats
    glucose_mg_dl: Floats
    bolus_t: Floats
    bolus_u: Floats
    basal_t: Floats
    basal_u_per_h: Floats
    carbs_t: Floats
    carbs_g: Floats


@dataclass(frozen=True, slots=True)
class Present:
    """Bodies now: state float64[11, n], basal U/h float64[n], and unexplained glucose, mmol/min float64[n].

    It appears `lasting` because the person differs from the model, or vanishes (at most zero) `passing`.
    """

    parameters: Parameters
    state: Floats
    basal_u_per_h: Floats
    lasting_mmol_per_min: Floats
    passing_mmol_per_min: Floats

    def unexplained_at(self, minutes: float) -> Floats:
        """Return the unexplained flux so many minutes from now, mmol/min."""
        lasting = self.lasting_mmol_per_min * np.exp(-minutes / SLOW_OVER_MIN)
        return np.asarray(lasting + self.passing_mmol_per_min * np.exp(-minutes / FADING_MIN))

    def repeated(self, times: int) -> Present:
        """Return the ensemble `times` times side by side: one copy for each scenario."""
        index = np.tile(np.arange(self.parameters.members), times)
        return Present(
            self.parameters.chosen(index),
            self.state[:, index],
            self.basal_u_per_h[index],
            self.lasting_mmol_per_min[index],
            self.passing_mmol_per_min[index],
        )


def estimate(observed: Observed, members: int, rng: np.random.Generator) -> Present:
    """Return an ensemble of `members` bodies that agree with what was observed.

    Needs at least one glucose value; the more of the last hour there is, the better its trend is known.
    """
    return estimate_all([observed], members, [rng])


def estimate_all(everyone: Sequence[Observed], members: int, rngs: Sequence[np.random.Generator]) -> Present:
    """Return the ensembles of several patients side by side, `members` bodies each: one run instead of many."""
    parameters, basal_now = _people(everyone, members, rngs)
    seen = [_seen(observed, usual) for observed, usual in zip(everyone, basal_now[::members], strict=True)]
    plasma, sensor, basal, bolus, entered = (
        np.repeat(np.array(rows), members, axis=0).T for rows in zip(*seen, strict=True)
    )
    error = 1.0 + SENSOR_ERROR * _normal(rngs, members)
    state, _basal = steady_state(parameters, plasma[0] * error * MG_DL_PER_MMOL_L)
    eaten = np.where(entered > 0.0, entered, _unannounced_g_per_u(parameters, rngs) * bolus)
    lasting, lately = np.zeros(error.size), np.zeros(error.size)
    for index in range(len(bolus)):
        state = step(state, parameters, Inputs(basal[index], eaten[index], bolus[index]), STEP_MIN)
        led = plasma[index + 1] * error * parameters.glucose_space_l
        flux = (led - state[Compartment.ACCESSIBLE]) / STEP_MIN
        lasting += STEP_MIN / SLOW_OVER_MIN * (flux - lasting)
        lately += STEP_MIN / FLUX_OVER_MIN * (flux - lately)
        state[Compartment.ACCESSIBLE] = led
        state[Compartment.SENSOR] += (sensor[index + 1] * error - state[Compartment.SENSOR]) * 0.5
    passing = TRUST * (lately - lasting)
    doubt = FLUX_SIGMA_MG_DL_PER_MIN / MG_DL_PER_MMOL_L * parameters.glucose_space_l
    passing = passing + doubt * _normal(rngs, members)
    _explain_as_food(state, np.maximum(passing, 0.0), parameters, rngs)
    return Present(parameters, state, basal_now, TRUST_LASTING * lasting, np.minimum(passing, 0.0))


def _normal(rngs: Sequence[np.random.Generator], members: int) -> Floats:
    return np.concatenate([rng.standard_normal(members) for rng in rngs])


def _uniform(rngs: Sequence[np.random.Generator], members: int, low: float, high: float) -> Floats:
    return np.concatenate([rng.uniform(low, high, members) for rng in rngs])


def _people(
    everyone: Sequence[Observed], members: int, rngs: Sequence[np.random.Generator]
) -> tuple[Parameters, Floats]:
    """Draw the members, as sensitive to insulin as the pump's basal rate says, and return the rates now, U/h.

    Insulin enters the model only as sensitivity times concentration, so the rate that rests a body scales exactly with
    the inverse of its sensitivity.
    """
    drawn = [
        Parameters.published(np.full(members, observed.weight_kg)).drawn(rng)
        for observed, rng in zip(everyone, rngs, strict=True)
    ]
    people = Parameters.joined(drawn)
    resting = steady_state(people, RESTING_MG_DL)[1]
    medians = np.median(resting.reshape(len(everyone), members), axis=1)
    usual = np.array([_usual_rate(observed, float(m)) for observed, m in zip(everyone, medians, strict=True)])
    factor = np.clip(BOLUS_STRENGTH * resting / np.repeat(usual, members), *SENSITIVITY_RANGE)
    now = [o.basal_u_per_h[-1] if o.basal_u_per_h.size else u for o, u in zip(everyone, usual, strict=True)]
    return people.with_sensitivity(factor), np.repeat(np.array(now, dtype=np.float64), members)


def _usual_rate(observed: Observed, resting_u_per_h: float) -> float:
    given = observed.basal_u_per_h[observed.basal_u_per_h > 0.0]
    return float(np.median(given)) if given.size else resting_u_per_h / USUAL_SENSITIVITY


def _unannounced_g_per_u(people: Parameters, rngs: Sequence[np.random.Generator]) -> Floats:
    """Return the food that each member is taken to have eaten with a bolus for which no meal was entered, g/U.

    Most boluses are for meals. A body as sensitive as the published one matches a unit with about `MATCHED_G_PER_U`.
    """
    sensitivity = people.sensitivity_transport / PUBLISHED["sensitivity_transport"]
    return MATCHED_G_PER_U * sensitivity * _uniform(rngs, people.members // len(rngs), *UNANNOUNCED)


def _explain_as_food(state: Floats, flux: Floats, people: Parameters, rngs: Sequence[np.random.Generator]) -> None:
    """Put food into the gut that is absorbed at `flux` now; how long ago it was eaten, nobody knows."""
    missing = np.maximum(flux * people.gut_peak_min, 0.0)
    state[Compartment.GUT_2] += missing
    state[Compartment.GUT_1] += missing * _uniform(rngs, people.members // len(rngs), 0.0, YOUNG_MEAL)


def _seen(observed: Observed, usual_u_per_h: float) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return plasma and sensor, mmol/L, on the grid's points; basal U/h, bolus U and meals g in its steps."""
    grid = np.linspace(observed.at - HISTORY_MIN * 60.0, observed.at, int(HISTORY_MIN / STEP_MIN) + 1)
    sensor = np.interp(grid, observed.glucose_t, observed.glucose_mg_dl) / MG_DL_PER_MMOL_L
    bolus = np.histogram(observed.bolus_t, grid, weights=observed.bolus_u)[0]
    entered = np.histogram(observed.carbs_t, grid, weights=observed.carbs_g)[0]
    basal = _basal_at(observed, grid[:-1], usual_u_per_h)
    return _plasma_mmol_per_l(observed, grid), sensor, basal, bolus, entered


def _basal_at(observed: Observed, grid: Floats, otherwise: float) -> Floats:
    if not observed.basal_t.size:
        return np.full(grid.size, otherwise)
    index = np.clip(np.searchsorted(observed.basal_t, grid, side="right") - 1, 0, observed.basal_t.size - 1)
    return np.asarray(observed.basal_u_per_h[index])


def _plasma_mmol_per_l(observed: Observed, grid: Floats) -> Floats:
    """Return plasma glucose on the grid: the sensor's curve, smoothed, led by its lag behind the blood."""
    smooth = np.array([_local_mean(observed, t) for t in grid])
    slope = np.gradient(smooth, STEP_MIN)
    slope[-1] = _slope_now(observed, smooth[-1])
    return np.asarray(np.maximum(smooth + LEAD_MIN * slope, 20.0) / MG_DL_PER_MMOL_L)


def _local_mean(observed: Observed, t: float, half_width_s: float = 240.0) -> float:
    near = np.abs(observed.glucose_t - t) <= half_width_s
    if near.any():
        return float(observed.glucose_mg_dl[near].mean())
    return float(np.interp(t, observed.glucose_t, observed.glucose_mg_dl))


def _slope_now(observed: Observed, level: float, over_s: float = 1200.0) -> float:
    """Return the trend of the last twenty minutes in mg/dL per minute, by least squares; zero when too little is
    known.
    """
    recent = observed.glucose_t >= observed.at - over_s
    t, values = observed.glucose_t[recent] / 60.0, observed.glucose_mg_dl[recent]
    if t.size < 3 or np.ptp(t) < 5.0:
        return 0.0
    return float(np.clip(np.polyfit(t - t.mean(), values - level, 1)[0], -5.0, 5.0))
