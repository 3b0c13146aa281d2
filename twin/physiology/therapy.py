"""The pump settings that suit a virtual patient, found as a clinic finds them: a resting basal rate and a test meal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.physiology.glucose import Inputs, simulate, steady_state
from twin.physiology.parameters import Floats, Parameters

TEST_MEAL_G = 60.0
CANDIDATES = np.geomspace(4.0, 45.0, 16)  # g of carbohydrate per unit


@dataclass(frozen=True, slots=True)
class Therapy:
    """Pump settings of n people: basal rate and carbohydrate ratio, float64[n]."""

    basal_u_per_h: Floats
    carb_ratio_g_per_u: Floats


def titrate(p: Parameters, target_mg_dl: float = 125.0, rise_mg_dl: float = 8.0) -> Therapy:
    """Return the settings that hold `target_mg_dl` at rest and bring a test meal back near it after 5 h."""
    basal = steady_state(p, target_mg_dl)[1]
    many = p.repeated(CANDIDATES.size)
    state, rates = steady_state(many, target_mg_dl)
    boluses = np.tile(TEST_MEAL_G / CANDIDATES, p.members)
    quiet = Inputs(basal_u_per_h=rates)
    start = Inputs(basal_u_per_h=rates, carbs_g=TEST_MEAL_G, bolus_u=boluses)
    run = simulate(state, many, [start] + [quiet] * 149, dt_min=2.0)
    after = run.plasma_mg_dl[-1].reshape(p.members, CANDIDATES.size)
    lowest = run.plasma_mg_dl.min(axis=0).reshape(p.members, CANDIDATES.size)
    # A ratio that passes through hypoglycaemia on its way back is no good, however well it ends.
    miss = np.abs(after - target_mg_dl - rise_mg_dl) + np.where(lowest < 80.0, 10.0 * (80.0 - lowest), 0.0)
    return Therapy(basal, CANDIDATES[np.argmin(miss, axis=1)])
