"""The glucose model: how fast, beside the same equations one twin at a time; and how well it forecasts unseen people.

python -m benchmarks.physiology [--quick] [--json]
"""

from __future__ import annotations

import os
import time
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np

from compliance.measuring import Absent, Report, main
from twin.forecast.azt1d import FILE, Wearer, read
from twin.forecast.inputs import HORIZONS_MIN
from twin.forecast.training import FOLDS, SEED, Moments, gather, held_out
from twin.physiology.body import Bodies
from twin.physiology.glucose import Inputs, simulate, steady_state
from twin.physiology.parameters import PUBLISHED, Floats, Parameters
from twin.physiology.people import virtual_patient

DAY_MIN = 1440
MANY = 1000
LOOP_MIN = 720
EACH = {True: 100, False: 300}  # moments for each person


def seconds_for(members: int, minutes: int) -> float:
    """Return how long so many bodies take for so many minutes."""
    people = Parameters.published(np.full(members, 70.0))
    state, basal = steady_state(people, 120.0)
    began = time.process_time()
    simulate(state, people, [Inputs(basal)] * minutes)
    return time.process_time() - began


def plain_loop(minutes: int) -> float:
    """Return the seconds that one body takes in plain Python: same equations, same rule, number by number."""
    state, basal = steady_state(Parameters.published(70.0), 120.0)
    values, flow = [float(row[0]) for row in state], float(basal[0]) * 1000.0 / 60.0
    began = time.process_time()
    for _ in range(minutes):
        k1 = _plain_rates(values, flow)
        k2 = _plain_rates([v + 0.5 * k for v, k in zip(values, k1, strict=True)], flow)
        k3 = _plain_rates([v + 0.5 * k for v, k in zip(values, k2, strict=True)], flow)
        k4 = _plain_rates([v + k for v, k in zip(values, k3, strict=True)], flow)
        slopes = zip(values, k1, k2, k3, k4, strict=True)
        values = [v + (a + 2.0 * (b + c) + d) / 6.0 for v, a, b, c, d in slopes]
    took = time.process_time() - began
    if abs(values[8] - float(state[8, 0])) > 1e-6:
        raise AssertionError("the plain loop does not solve the same equations")
    return took


def _plain_rates(state: list[float], flow: float) -> list[float]:
    gut_1, gut_2, depot_1, depot_2, insulin, x1, x2, x3, q_1, q_2, sensor = state
    p, weight = PUBLISHED, 70.0
    concentration = q_1 / (p["glucose_volume"] * weight)
    uptake = p["f01"] * weight * min(concentration / 4.5, 1.0)
    renal = 0.003 * max(concentration - 9.0, 0.0) * p["glucose_volume"] * weight
    hepatic = p["egp0"] * weight * max(1.0 - x3, 0.0)
    return [
        -gut_1 / p["gut_peak_min"],
        (gut_1 - gut_2) / p["gut_peak_min"],
        flow - depot_1 / p["insulin_peak_min"],
        (depot_1 - depot_2) / p["insulin_peak_min"],
        depot_2 / p["insulin_peak_min"] / (p["insulin_volume"] * weight) - p["insulin_clearance"] * insulin,
        p["ka1"] * (p["sensitivity_transport"] * insulin - x1),
        p["ka2"] * (p["sensitivity_disposal"] * insulin - x2),
        p["ka3"] * (p["sensitivity_production"] * insulin - x3),
        gut_2 / p["gut_peak_min"] + hepatic + p["k12"] * q_2 - x1 * q_1 - uptake - renal,
        x1 * q_1 - (p["k12"] + x2) * q_2,
        p["sensor_rate"] * (concentration - sensor),
    ]


def warm_up_seconds(people: int) -> float:
    """Return how long a gateway's emulated ward takes to catch up with the clock."""
    ward = [virtual_patient({"seed": seed, "devices": {}, "conditions": ["type_1_diabetes"]}) for seed in range(people)]
    began = time.process_time()
    Bodies(ward, 1_790_157_600.0)
    return time.process_time() - began


def people_with_sensors() -> list[Wearer]:
    """Return AZT1D's people. Raises Absent when the file is not there."""
    data = Path(os.environ.get("MEDTWIN_DATA", Path(__file__).resolve().parents[2] / "shared"))
    if not (data / FILE).is_file():
        raise Absent(f"the AZT1D training part at {data / FILE} (set MEDTWIN_DATA)")
    return read(data / FILE)


def _rmse(truth: Floats, guess: Floats) -> float:
    return float(np.sqrt(np.mean((truth - guess) ** 2)))


def measure_speed(report: Report) -> None:
    """Compare one vectorised run of many twins with the same equations, one twin at a time.

    Processor time of one thread: what else the machine does must not move the figures.
    """
    one, many = seconds_for(1, DAY_MIN), min(seconds_for(MANY, DAY_MIN) for _ in range(2))
    plain = plain_loop(LOOP_MIN) / LOOP_MIN * DAY_MIN
    report.figure("one_twin_24h_s", one)
    report.figure("plain_python_one_twin_24h_s", plain)
    report.figure("simulated_hours_per_second", MANY * 24.0 / many)
    report.bar("1000 twins for 24 h, side by side, processor s", many, "<=", 2)
    report.bar("... times faster than one at a time in plain Python", plain * MANY / many, ">=", 10)
    report.bar("... times faster than one at a time in NumPy", one * MANY / many, ">=", 50)
    report.bar("20 emulated patients caught up with the clock, processor s", warm_up_seconds(20), "<=", 5)


def measure_forecasts(report: Report) -> None:
    """Compare the forecast with the last value, for people whom its weights and bands have not seen."""
    data = gather(people_with_sensors(), each=EACH[report.quick])
    found = held_out(data)
    blind = held_out(without_twin(data)).middle
    for minutes in (30, 60):
        column = int(np.searchsorted(HORIZONS_MIN, minutes))
        truth, middle = data.truth[:, column], found.middle[:, column]
        model, persistence = _rmse(truth, middle), _rmse(truth, data.rows.level)
        twin = _rmse(truth, data.rows.level + data.rows.twin[:, column])
        report.figure(f"forecast_{minutes}min_rmse_mg_dl", model)
        report.figure(f"persistence_{minutes}min_rmse_mg_dl", persistence)
        report.figure(f"twin_alone_{minutes}min_rmse_mg_dl", twin)
        report.figure(f"without_twin_{minutes}min_rmse_mg_dl", _rmse(truth, blind[:, column]))
        report.figure(f"forecast_{minutes}min_bias_mg_dl", float(np.mean(middle - truth)))
        worse = [
            _rmse(truth[mine], middle[mine]) >= _rmse(truth[mine], data.rows.level[mine])
            for mine in (data.person == person for person in np.unique(data.person))
        ]
        held = (found.low[:, column] <= truth) & (truth <= found.high[:, column])
        each = [float(held[data.person == person].mean()) for person in np.unique(data.person)]
        report.figure(f"people_for_whom_{minutes}min_is_no_better", int(sum(worse)))
        report.figure(f"band_{minutes}min_least_and_most_by_person", f"{min(each):.0%} to {max(each):.0%}")
        report.bar(f"{minutes} min error over persistence, unseen people", model / persistence, "<", 1.0)
        report.bar(f"{minutes} min truth inside the 90 % band, unseen people", float(held.mean()), ">=", 0.87)
        report.bar(f"{minutes} min truth inside the 90 % band, not by width", float(held.mean()), "<=", 0.93)
    people, count = np.unique(data.person).size, data.person.size
    report.note(
        f"AZT1D training part, {people} people, {count} moments, split by person in {FOLDS} folds, seed {SEED}."
    )
    report.note("Weights and bands of a person come from other people. The model is told of no meals.")
    report.note("The twin's own constants were once chosen on these people; without_twin shows what hangs on that.")


def without_twin(data: Moments) -> Moments:
    """Return the same moments with a twin that expects no change."""
    return replace(
        data,
        rows=replace(data.rows, twin=np.zeros_like(data.truth)),
        rows_alone=replace(data.rows_alone, twin=np.zeros_like(data.truth)),
    )


def measure(report: Report, _options: Namespace) -> None:
    """Measure speed, then forecasts."""
    measure_speed(report)
    measure_forecasts(report)


if __name__ == "__main__":
    main("Glucose model", measure)
