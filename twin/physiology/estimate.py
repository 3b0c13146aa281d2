"""From what a sensor and a pump reported to an ensemble of plausible bodies now: the present that forecasts start from.

The pump's insulin is known, so each member's insulin compartments are simply simulated through the last hours.
Glucose is led along the sensor's curve, and what the model would have needed besides to follow it is the unexplained
flux: food nobody entered when it is positive, movement or a more sensitive body when it is negative. The constants
were chosen on the training part of AZT1D; `benchmarks/physiology.py` prints what they achieve there.
"""

from __future__ import annotations

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
    """An ensemble now: state float64[11, n], basal U/h float64[n], and unexplained glucose, mmol/min float64[n].

    It appears `lasting` because the person differs from the model, or vanishes (at most zero) `passing`.
    """

    at: float
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
            self.at,
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
    parameters, basal_now = _people(observed, members, rng)
    grid = np.linspace(observed.at - HISTORY_MIN * 60.0, observed.at, int(HISTORY_MIN / STEP_MIN) + 1)
    plasma = _plasma_mmol_per_l(observed, grid)
    error = 1.0 + SENSOR_ERROR * rng.standard_normal(members)
    state, _basal = steady_state(parameters, plasma[0] * error * MG_DL_PER_MMOL_L)
    basal = _basal_at(observed, grid, basal_now)
    volume = parameters.glucose_space_l
    eaten_g_per_u = _unannounced_g_per_u(parameters, rng)
    lasting, lately = np.zeros(members), np.zeros(members)
    for index in range(grid.size - 1):
        bolus = _within(observed.bolus_t, observed.bolus_u, grid[index], grid[index + 1])
        entered = _within(observed.carbs_t, observed.carbs_g, grid[index], grid[index + 1])
        carbs = entered if entered else eaten_g_per_u * bolus
        state = step(state, parameters, Inputs(basal[index], carbs, bolus), STEP_MIN)
        led = plasma[index + 1] * error * volume
        flux = (led - state[Compartment.ACCESSIBLE]) / STEP_MIN
        lasting += STEP_MIN / SLOW_OVER_MIN * (flux - lasting)
        lately += STEP_MIN / FLUX_OVER_MIN * (flux - lately)
        state[Compartment.ACCESSIBLE] = led
        state[Compartment.SENSOR] += (_sensor_at(observed, grid[index + 1]) * error - state[Compartment.SENSOR]) * 0.5
    passing = TRUST * (lately - lasting)
    passing = passing + FLUX_SIGMA_MG_DL_PER_MIN / MG_DL_PER_MMOL_L * volume * rng.standard_normal(members)
    _explain_as_food(state, np.maximum(passing, 0.0), parameters, rng)
    return Present(
        observed.at, parameters, state, np.full(members, basal_now), TRUST_LASTING * lasting, np.minimum(passing, 0.0)
    )


def _people(observed: Observed, members: int, rng: np.random.Generator) -> tuple[Parameters, float]:
    """Draw the members, as sensitive to insulin as the pump's basal rate says, and return that rate.

    Insulin enters the model only as sensitivity times concentration, so the rate that rests a body scales exactly with
    the inverse of its sensitivity.
    """
    people = Parameters.published(np.full(members, observed.weight_kg)).drawn(rng)
    resting = steady_state(people, RESTING_MG_DL)[1]
    given = observed.basal_u_per_h[observed.basal_u_per_h > 0.0]
    usual = float(np.median(given)) if given.size else float(np.median(resting)) / USUAL_SENSITIVITY
    factor = np.clip(BOLUS_STRENGTH * resting / usual, *SENSITIVITY_RANGE)
    for sensitivity in (people.sensitivity_transport, people.sensitivity_disposal, people.sensitivity_production):
        sensitivity *= factor
    return people, float(observed.basal_u_per_h[-1]) if observed.basal_u_per_h.size else usual


def _unannounced_g_per_u(people: Parameters, rng: np.random.Generator) -> Floats:
    """Return the food that each member is taken to have eaten with a bolus for which no meal was entered, g/U.

    Most boluses are for meals. A body as sensitive as the published one matches a unit with about `MATCHED_G_PER_U`.
    """
    sensitivity = people.sensitivity_transport / PUBLISHED["sensitivity_transport"]
    return np.asarray(MATCHED_G_PER_U * sensitivity * rng.uniform(*UNANNOUNCED, people.members))


def _explain_as_food(state: Floats, flux: Floats, people: Parameters, rng: np.random.Generator) -> None:
    """Put food into the gut that is absorbed at `flux` now; how long ago it was eaten, nobody knows."""
    missing = np.maximum(flux * people.gut_peak_min, 0.0)
    state[Compartment.GUT_2] += missing
    state[Compartment.GUT_1] += missing * rng.uniform(0.0, YOUNG_MEAL, people.members)


def _basal_at(observed: Observed, grid: Floats, otherwise: float) -> Floats:
    if not observed.basal_t.size:
        return np.full(grid.size, otherwise)
    index = np.clip(np.searchsorted(observed.basal_t, grid, side="right") - 1, 0, observed.basal_t.size - 1)
    return np.asarray(observed.basal_u_per_h[index])


def _within(t: Floats, amounts: Floats, since: float, until: float) -> float:
    return float(amounts[(t >= since) & (t < until)].sum())


def _sensor_at(observed: Observed, t: float) -> float:
    return float(np.interp(t, observed.glucose_t, observed.glucose_mg_dl)) / MG_DL_PER_MMOL_L


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
