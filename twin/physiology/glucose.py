"""The glucose-insulin system of a person with type 1 diabetes, vectorised over an ensemble.

Hovorka et al., Physiol Meas 25 (2004) 905-920: two gut compartments, two subcutaneous insulin depots, plasma insulin,
three remote insulin actions and two glucose compartments; the interstitial sensor compartment is from Wilinska et
al., J Diabetes Sci Technol 4 (2010) 132-144. One column per member, one row per compartment; integrated by the
classical fourth-order Runge-Kutta rule, whose one-minute step stays within 0.01 mg/dL of a ten times finer one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from twin.physiology.parameters import Floats, Parameters

MG_DL_PER_MMOL_L = 18.016
MMOL_PER_G = 1000.0 / 180.156  # glucose
MU_PER_U = 1000.0
STEP_MIN = 1.0
STABLE = 0.8  # step times rate; the rule itself diverges beyond 2.8
MOST_PARTS = 64


class Compartment(IntEnum):
    """Rows of the state, with their units."""

    GUT_1 = 0  # mmol
    GUT_2 = 1  # mmol
    DEPOT_1 = 2  # mU
    DEPOT_2 = 3  # mU
    PLASMA_INSULIN = 4  # mU/L
    ACTION_TRANSPORT = 5  # 1/min
    ACTION_DISPOSAL = 6  # 1/min
    ACTION_PRODUCTION = 7  # dimensionless
    ACCESSIBLE = 8  # mmol
    NON_ACCESSIBLE = 9  # mmol
    SENSOR = 10  # mmol/L


ACTIONS = slice(Compartment.ACTION_TRANSPORT, Compartment.ACTION_PRODUCTION + 1)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What enters during one step: all float64[n] or a number.

    basal_u_per_h runs through the step. carbs_g and bolus_u arrive at its start. resistance scales insulin action
    downwards: 1 is the person at rest, 1.2 an early morning, 0.8 an hour of sport. unexplained_mmol_per_min is
    glucose that appears (or, negative, vanishes) for reasons outside the model; an estimator finds it, an emulator
    leaves it zero.
    """

    basal_u_per_h: Floats | float = 0.0
    carbs_g: Floats | float = 0.0
    bolus_u: Floats | float = 0.0
    resistance: Floats | float = 1.0
    unexplained_mmol_per_min: Floats | float = 0.0


@dataclass(slots=True)
class Trajectory:
    """A simulated run: t_min float64[steps + 1] from its start, states float64[steps + 1, 11, n]."""

    t_min: Floats
    states: Floats
    parameters: Parameters = field(repr=False)

    @property
    def plasma_mg_dl(self) -> Floats:
        """Plasma glucose, float64[steps + 1, n]."""
        litres = self.parameters.glucose_space_l
        return np.asarray(self.states[:, Compartment.ACCESSIBLE] / litres * MG_DL_PER_MMOL_L)

    @property
    def sensor_mg_dl(self) -> Floats:
        """Interstitial glucose, which a sensor without error would show, float64[steps + 1, n]."""
        return np.asarray(self.states[:, Compartment.SENSOR] * MG_DL_PER_MMOL_L)


def derivative(state: Floats, p: Parameters, basal_u_per_h: Floats | float, resistance: Floats | float) -> Floats:
    """Return d(state)/dt per minute, float64[11, n]: equations 1-11 of the paper."""
    return _derivative_into(np.empty_like(state), state, p, np.multiply(basal_u_per_h, MU_PER_U / 60.0), resistance)


def _derivative_into(
    rate: Floats, state: Floats, p: Parameters, flow_mu_per_min: Floats | float, resistance: Floats | float
) -> Floats:
    gut_1, gut_2, depot_1, depot_2, insulin, transport, disposal, production, q_1, q_2, sensor = state
    concentration = q_1 / p.glucose_space_l
    digested, absorbed = gut_1 * p.gut_rate, gut_2 * p.gut_rate
    advanced, depot_flow = depot_1 * p.insulin_rate, depot_2 * p.insulin_rate
    # Below 4.5 mmol/L the brain's uptake falls with glucose; above 9 the kidney spills it.
    uptake = p.uptake_mmol_per_min * np.minimum(concentration * (1.0 / 4.5), 1.0)
    renal = 0.003 * np.maximum(concentration - 9.0, 0.0) * p.glucose_space_l
    # The linear law would make the liver consume glucose at very high insulin; it only stops.
    hepatic = p.production_mmol_per_min * np.maximum(1.0 - production, 0.0)
    moved = transport * q_1 - p.k12 * q_2
    np.negative(digested, out=rate[Compartment.GUT_1])
    np.subtract(digested, absorbed, out=rate[Compartment.GUT_2])
    np.subtract(flow_mu_per_min, advanced, out=rate[Compartment.DEPOT_1])
    np.subtract(advanced, depot_flow, out=rate[Compartment.DEPOT_2])
    np.subtract(depot_flow / p.insulin_space_l, p.insulin_clearance * insulin, out=rate[Compartment.PLASMA_INSULIN])
    actions = rate[ACTIONS]  # the three obey one law
    np.multiply(p.action_gains, insulin / resistance, out=actions)
    actions -= p.action_rates * state[ACTIONS]
    np.subtract(absorbed + hepatic, moved + uptake + renal, out=rate[Compartment.ACCESSIBLE])
    np.subtract(moved, disposal * q_2, out=rate[Compartment.NON_ACCESSIBLE])
    np.multiply(p.sensor_rate, concentration - sensor, out=rate[Compartment.SENSOR])
    return rate


def step(state: Floats, p: Parameters, inputs: Inputs, dt_min: float = STEP_MIN) -> Floats:
    """Return the state, float64[11, n], `dt_min` minutes later."""
    start = state.copy()
    start[Compartment.GUT_1] += p.bioavailability * np.multiply(inputs.carbs_g, MMOL_PER_G)
    start[Compartment.DEPOT_1] += np.multiply(inputs.bolus_u, MU_PER_U)
    # Insulin action is a rate: a large bolus makes the system stiffer than the step, which then is divided.
    fastest = float(start[Compartment.ACTION_TRANSPORT : Compartment.ACTION_DISPOSAL + 1].max(initial=0.0))
    parts = min(int(np.ceil(dt_min * fastest / STABLE)) or 1, MOST_PARTS)
    end = start
    for _ in range(parts):
        end = _runge_kutta(end, p, inputs, dt_min / parts)
    unexplained = np.multiply(inputs.unexplained_mmol_per_min, dt_min)
    # An estimate must never take more glucose out of the blood than is there.
    end[Compartment.ACCESSIBLE] += np.maximum(unexplained, -0.5 * end[Compartment.ACCESSIBLE])
    return np.asarray(end)


def _runge_kutta(start: Floats, p: Parameters, inputs: Inputs, dt_min: float) -> Floats:
    """Return the state `dt_min` later; three arrays are used again and again, which halves the time of large ones."""
    flow, resistance = np.multiply(inputs.basal_u_per_h, MU_PER_U / 60.0), inputs.resistance
    slope, at, total = np.empty_like(start), np.empty_like(start), np.empty_like(start)
    _derivative_into(total, start, p, flow, resistance)
    slope[:] = total
    for part, weight in ((0.5, 2.0), (0.5, 2.0), (1.0, 1.0)):
        np.multiply(slope, part * dt_min, out=at)
        at += start
        _derivative_into(slope, at, p, flow, resistance)
        total += slope if weight == 1.0 else weight * slope
    total *= dt_min / 6.0
    total += start
    return total


def simulate(state: Floats, p: Parameters, inputs: list[Inputs], dt_min: float = STEP_MIN) -> Trajectory:
    """Run one step per entry of `inputs` from `state`, float64[11, n]; the start is the trajectory's first point."""
    states = np.empty((len(inputs) + 1, *state.shape))
    states[0] = state
    for index, now in enumerate(inputs):
        states[index + 1] = step(states[index], p, now, dt_min)
    return Trajectory(np.arange(len(inputs) + 1, dtype=np.float64) * np.float64(dt_min), states, p)


def insulin_on_board_u(state: Floats) -> Floats:
    """Return the insulin still under the skin, U, float64[n]: both depots, which have not reached the blood."""
    return np.asarray((state[Compartment.DEPOT_1] + state[Compartment.DEPOT_2]) / MU_PER_U)


def steady_state(p: Parameters, glucose_mg_dl: Floats | float) -> tuple[Floats, Floats]:
    """Return the resting state, float64[11, n], at a glucose in mg/dL and the basal rate in U/h that holds it.

    The insulin that balances production against uptake is found by bisection; where even zero insulin cannot raise
    glucose so far, the basal rate is zero.
    """
    concentration = np.broadcast_to(np.divide(glucose_mg_dl, MG_DL_PER_MMOL_L), (p.members,)).astype(np.float64)
    low, high = np.zeros(p.members), 1.0 / p.sensitivity_production
    for _ in range(60):
        middle = 0.5 * (low + high)
        rising = _net_flux(p, concentration, middle) > 0.0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    insulin = 0.5 * (low + high)
    flow_mu = insulin * p.insulin_clearance * p.insulin_space_l
    state = np.zeros((len(Compartment), p.members))
    state[Compartment.DEPOT_1] = state[Compartment.DEPOT_2] = flow_mu * p.insulin_peak_min
    state[Compartment.PLASMA_INSULIN] = insulin
    state[Compartment.ACTION_TRANSPORT] = p.sensitivity_transport * insulin
    state[Compartment.ACTION_DISPOSAL] = p.sensitivity_disposal * insulin
    state[Compartment.ACTION_PRODUCTION] = p.sensitivity_production * insulin
    state[Compartment.ACCESSIBLE] = concentration * p.glucose_space_l
    state[Compartment.NON_ACCESSIBLE] = _resting_q2(p, state[Compartment.ACCESSIBLE], insulin)
    state[Compartment.SENSOR] = concentration
    return state, np.asarray(flow_mu * 60.0 / MU_PER_U)


def _resting_q2(p: Parameters, q_1: Floats, insulin: Floats) -> Floats:
    return np.asarray(p.sensitivity_transport * insulin * q_1 / (p.k12 + p.sensitivity_disposal * insulin))


def _net_flux(p: Parameters, concentration: Floats, insulin: Floats) -> Floats:
    """Return dQ1/dt in mmol/min at rest."""
    q_1 = concentration * p.glucose_space_l
    lost = p.sensitivity_disposal * insulin * _resting_q2(p, q_1, insulin)
    uptake = p.uptake_mmol_per_min * np.minimum(concentration / 4.5, 1.0)
    renal = 0.003 * np.maximum(concentration - 9.0, 0.0) * p.glucose_space_l
    hepatic = p.production_mmol_per_min * np.maximum(1.0 - p.sensitivity_production * insulin, 0.0)
    return np.asarray(hepatic - uptake - renal - lost)
