"""The glucose model: how fast, against a plain Python loop in the same run, and how well it forecasts real people.

python -m benchmarks.physiology [--quick] [--json]
"""

from __future__ import annotations

import csv
import gzip
import os
import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from compliance.measuring import Absent, Report, main
from twin.physiology.body import Bodies
from twin.physiology.estimate import HISTORY_MIN, Observed
from twin.physiology.glucose import Inputs, simulate, steady_state
from twin.physiology.parameters import PUBLISHED, Floats, Parameters
from twin.physiology.people import virtual_patient
from twin.whatif.futures import STEP_MIN, run
from twin.whatif.scenario import AS_NOW

DAY_MIN = 1440
MANY = 1000
LOOP_MIN = 720
FORECASTS = {True: 20, False: 60}  # for each person
BROKEN_BASAL = {23}  # this subject's basal column holds numbers up to 724


def seconds_for(members: int, minutes: int) -> float:
    """Return how long so many bodies take for so many minutes."""
    people = Parameters.published(np.full(members, 70.0))
    state, basal = steady_state(people, 120.0)
    began = time.perf_counter()
    simulate(state, people, [Inputs(basal)] * minutes)
    return time.perf_counter() - began


def plain_loop(minutes: int) -> float:
    """Return the seconds that one body takes in plain Python: same equations, same rule, number by number."""
    state, basal = steady_state(Parameters.published(70.0), 120.0)
    values, flow = [float(row[0]) for row in state], float(basal[0]) * 1000.0 / 60.0
    began = time.perf_counter()
    for _ in range(minutes):
        k1 = _plain_rates(values, flow)
        k2 = _plain_rates([v + 0.5 * k for v, k in zip(values, k1, strict=True)], flow)
        k3 = _plain_rates([v + 0.5 * k for v, k in zip(values, k2, strict=True)], flow)
        k4 = _plain_rates([v + k for v, k in zip(values, k3, strict=True)], flow)
        slopes = zip(values, k1, k2, k3, k4, strict=True)
        values = [v + (a + 2.0 * (b + c) + d) / 6.0 for v, a, b, c, d in slopes]
    took = time.perf_counter() - began
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
    began = time.perf_counter()
    Bodies(ward, 1_790_157_600.0)
    return time.perf_counter() - began


def azt1d(path: Path) -> dict[int, tuple[Floats, Floats]]:
    """Return subject -> times float64[n] and rows float64[n, 3]: glucose mg/dL, basal U/h, bolus U; NaN where absent.

    Raises Absent when the file is not there.
    """
    if not path.is_file():
        raise Absent(f"the AZT1D training part at {path} (set MEDTWIN_DATA)")
    rows: dict[int, dict[float, tuple[float, float, float]]] = defaultdict(dict)
    with gzip.open(path, "rt") as file:
        for row in csv.DictReader(file):
            t = datetime.fromisoformat(row["EventDateTime"]).replace(tzinfo=UTC).timestamp()
            glucose = row["CGM"] or row["Readings (CGM / BGM)"]
            cells = (glucose, row["Basal"], row["TotalBolusInsulinDelivered"])
            rows[int(row["subject"])][t] = tuple(float(cell) if cell else float("nan") for cell in cells)  # type: ignore[assignment]
    return {
        subject: (np.array(sorted(found)), np.array([found[t] for t in sorted(found)]))
        for subject, found in sorted(rows.items())
        if subject not in BROKEN_BASAL
    }


def forecasts(people: dict[int, tuple[Floats, Floats]], each: int) -> Iterator[tuple[int, float, float, float, bool]]:
    """Yield (minutes ahead, truth, forecast, persistence, whether the band held the truth) at random moments of each
    person.
    """
    rng = np.random.default_rng(0)
    for times, rows in people.values():
        known = ~np.isnan(rows[:, 0])
        glucose_t, glucose = times[known], rows[known, 0]
        for index in rng.integers(80, glucose_t.size - 14, each):
            at = glucose_t[index]
            # A gap in the sensor's series would test the gap.
            if at - glucose_t[index - 36] > 3.2 * 3600 or glucose_t[index + 12] - at > 3700:
                continue
            band = run(_observed(times, rows, at), [AS_NOW], members=60, seed=int(index), horizon_min=60)[0].band
            for minutes in (30, 60):
                truth = float(np.interp(at + 60.0 * minutes, glucose_t, glucose))
                low, middle, high = band.mg_dl[[0, 2, 4], int(minutes / STEP_MIN)]
                yield minutes, truth, float(middle), float(glucose[index]), bool(low <= truth <= high)


def _observed(times: Floats, rows: Floats, at: float) -> Observed:
    recent = (times <= at) & (times > at - HISTORY_MIN * 60.0)
    t, (glucose, basal, bolus), none = times[recent], rows[recent].T, np.zeros(0)
    with_glucose, with_basal, with_bolus = ~np.isnan(glucose), ~np.isnan(basal), np.nan_to_num(bolus) > 0
    return Observed(
        at, 75.0, t[with_glucose], glucose[with_glucose], t[with_bolus], bolus[with_bolus], t[with_basal],
        basal[with_basal], none, none,
    )  # fmt: skip


def _rmse(truth: Floats, guess: Floats) -> float:
    return float(np.sqrt(np.mean((truth - guess) ** 2)))


def measure(report: Report, _options: Namespace) -> None:
    """Measure speed, then forecasts."""
    one, many = seconds_for(1, DAY_MIN), seconds_for(MANY, DAY_MIN)
    plain = plain_loop(LOOP_MIN) / LOOP_MIN * DAY_MIN
    report.figure("one_twin_24h_s", one)
    report.figure(f"{MANY}_twins_24h_s", many)
    report.figure("plain_python_one_twin_24h_s", plain)
    report.figure("simulated_hours_per_second", MANY * 24.0 / many)
    report.bar("vectorised per twin, times faster than plain Python", plain / (many / MANY), ">=", 5)
    report.bar("cost of 1000 twins over one", many / one, "<=", 40)
    report.bar("20 emulated patients caught up with the clock, s", warm_up_seconds(20), "<=", 5)
    data = Path(os.environ.get("MEDTWIN_DATA", Path(__file__).resolve().parents[2] / "shared"))
    made = list(forecasts(azt1d(data / "data" / "cgm" / "azt1d_train.csv.gz"), FORECASTS[report.quick]))
    for minutes, bar in ((30, 1.06), (60, 1.16)):
        truth, guess, last, held = (
            np.array(column) for column in zip(*[m[1:] for m in made if m[0] == minutes], strict=True)
        )
        model, persistence = _rmse(truth, guess), _rmse(truth, last)
        report.figure(f"forecast_{minutes}min_rmse_mg_dl", model)
        report.figure(f"persistence_{minutes}min_rmse_mg_dl", persistence)
        report.figure(f"forecast_{minutes}min_bias_mg_dl", float(np.mean(guess - truth)))
        report.bar(f"{minutes} min error over persistence", model / persistence, "<=", bar)
        report.bar(f"{minutes} min truth inside the 90 % band", float(held.mean()), ">=", 0.8)
    report.note(f"AZT1D training part, 19 people, {len(made) // 2} moments, seed 0, meals not told to the model.")
    report.note("The model's constants were chosen on the same part: these are not figures for unseen people.")
    report.note(
        "At 60 min a forecast that knows no meals is no better than the last value; its use is the band and the why."
    )


if __name__ == "__main__":
    main("Glucose model", measure)
