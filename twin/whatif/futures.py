"""Several futures of one present, simulated side by side, each an ensemble that becomes a band.

Everything that comes out is called `Simulated...` and shares no type with readings: what was computed here cannot be
stored, alarmed on or drawn as if a device had measured it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twin.physiology.estimate import Observed, Present, estimate
from twin.physiology.glucose import Inputs, insulin_on_board_u, simulate
from twin.physiology.parameters import Floats
from twin.whatif.scenario import HORIZON_MIN, Scenario

STEP_MIN = 2.5
PERCENTILES = (5, 25, 50, 75, 95)
MEMBERS = 200


@dataclass(frozen=True, slots=True)
class SimulatedBand:
    """Percentiles of simulated glucose: minutes float64[k] from now, mg_dl float64[5, k] for PERCENTILES."""

    minutes: Floats
    mg_dl: Floats


@dataclass(frozen=True, slots=True)
class SimulatedFuture:
    """One simulated future. Minutes are means over the ensemble; `lowest` and `highest` are of the median course."""

    scenario: Scenario
    band: SimulatedBand
    minutes_below_70: float
    minutes_below_54: float
    minutes_above_180: float
    chance_below_70: float  # of ever going there, 0 to 1
    lowest_mg_dl: float
    highest_mg_dl: float
    insulin_on_board_u: float  # now, before the scenario


def run(
    observed: Observed,
    scenarios: Sequence[Scenario],
    members: int = MEMBERS,
    seed: int = 0,
    horizon_min: float = HORIZON_MIN,
) -> list[SimulatedFuture]:
    """Return one future for each scenario.

    All start from the same `members` bodies, so that they differ by the scenario alone.
    """
    return futures(estimate(observed, members, np.random.default_rng(seed)), scenarios, horizon_min)


def futures(present: Present, scenarios: Sequence[Scenario], horizon_min: float = HORIZON_MIN) -> list[SimulatedFuture]:
    """Simulate the scenarios from one present in a single vectorised run."""
    minutes, glucose = courses(present, scenarios, horizon_min)
    on_board = float(np.median(insulin_on_board_u(present.state)))
    return [_future(s, minutes, glucose[:, index], on_board) for index, s in enumerate(scenarios)]


def courses(present: Present, scenarios: Sequence[Scenario], horizon_min: float) -> tuple[Floats, Floats]:
    """Return minutes float64[k] and what the sensor would show, mg/dL float64[k, scenarios, members]."""
    members = present.parameters.members
    many = present.repeated(len(scenarios))
    basal = many.basal_u_per_h * np.repeat([s.basal_percent / 100.0 for s in scenarios], members)
    inputs = []
    for index in range(int(horizon_min / STEP_MIN)):
        since, until = index * STEP_MIN, (index + 1) * STEP_MIN
        carbs = [s.carbs_g if since <= s.carbs_at_min < until else 0.0 for s in scenarios]
        bolus = [s.bolus_u if since <= s.bolus_at_min < until else 0.0 for s in scenarios]
        inputs.append(
            Inputs(
                basal_u_per_h=basal,
                carbs_g=np.repeat(carbs, members),
                bolus_u=np.repeat(bolus, members),
                unexplained_mmol_per_min=many.unexplained_at(since),
            )
        )
    run = simulate(many.state, many.parameters, inputs, STEP_MIN)
    return run.t_min, run.sensor_mg_dl.reshape(len(inputs) + 1, len(scenarios), members)


def _future(scenario: Scenario, minutes: Floats, glucose: Floats, on_board_u: float) -> SimulatedFuture:
    bands = np.percentile(glucose, PERCENTILES, axis=1)
    middle = bands[PERCENTILES.index(50)]
    later = glucose[1:]  # each row stands for the step that led to it
    return SimulatedFuture(
        scenario=scenario,
        band=SimulatedBand(minutes, bands),
        minutes_below_70=float((later < 70.0).mean(axis=1).sum() * STEP_MIN),
        minutes_below_54=float((later < 54.0).mean(axis=1).sum() * STEP_MIN),
        minutes_above_180=float((later > 180.0).mean(axis=1).sum() * STEP_MIN),
        chance_below_70=float((glucose < 70.0).any(axis=0).mean()),
        lowest_mg_dl=float(middle.min()),
        highest_mg_dl=float(middle.max()),
        insulin_on_board_u=on_board_u,
    )


def differences(now: SimulatedFuture, changed: SimulatedFuture) -> list[str]:
    """Return what the change does, in words, the most dangerous first; small differences are left out."""
    found = []
    for label, before, after in (
        ("below 54", now.minutes_below_54, changed.minutes_below_54),
        ("below 70", now.minutes_below_70, changed.minutes_below_70),
        ("above 180", now.minutes_above_180, changed.minutes_above_180),
    ):
        if (minutes := round(after - before)) and abs(minutes) >= 2:
            found.append(f"{abs(minutes)} {'more' if minutes > 0 else 'fewer'} minutes {label}")
    risk = round(100.0 * (changed.chance_below_70 - now.chance_below_70))
    if abs(risk) >= 3:
        chances = f"from {now.chance_below_70:.0%} to {changed.chance_below_70:.0%}"
        found.append(f"the chance of going below 70 {'rises' if risk > 0 else 'falls'} {chances}")
    for label, shift in (
        ("lowest", changed.lowest_mg_dl - now.lowest_mg_dl),
        ("highest", changed.highest_mg_dl - now.highest_mg_dl),
    ):
        if abs(shift) >= 5:
            found.append(f"the {label} point is {abs(shift):.0f} mg/dL {'higher' if shift > 0 else 'lower'}")
    return found
