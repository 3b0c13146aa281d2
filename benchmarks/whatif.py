"""The what-if: from the question to two futures with bands, as the page asks it.

python -m benchmarks.whatif [--quick] [--json]
"""

from __future__ import annotations

import time
from argparse import Namespace

import numpy as np

from compliance.measuring import Report, main
from twin.physiology.estimate import Observed, estimate
from twin.whatif.futures import MEMBERS, futures, run
from twin.whatif.scenario import AS_NOW, Scenario

NOW = 1_790_157_600.0
CHANGE = Scenario(carbs_g=40.0, bolus_u=3.0)


def five_hours(every_s: float) -> Observed:
    """Return a present as it is in the demonstration: glucose every `every_s` seconds, three boluses, a basal rate."""
    t = np.arange(NOW - 5 * 3600.0, NOW + 1.0, every_s)
    glucose = 140.0 + 40.0 * np.sin((t - NOW) / 5000.0) + np.random.default_rng(1).normal(0.0, 3.0, t.size)
    bolus_t, rates_t = NOW - np.array([15_000.0, 9000.0, 2000.0]), np.arange(NOW - 5 * 3600.0, NOW, 300.0)
    none = np.zeros(0)
    return Observed(
        NOW, 75.0, t, glucose, bolus_t, np.array([4.0, 2.0, 3.0]), rates_t, np.full(rates_t.size, 0.9), none, none
    )


def times_s(repeats: int, members: int) -> list[float]:
    """Return how long each of `repeats` runs of two scenarios takes."""
    seen, took = five_hours(20.0), []
    for seed in range(repeats):
        began = time.perf_counter()
        run(seen, [AS_NOW, CHANGE], members, seed)
        took.append(time.perf_counter() - began)
    return took


def measure(report: Report, _options: Namespace) -> None:
    """Measure the first picture, the later ones, and what more members and scenarios cost."""
    first, *later = times_s(8 if report.quick else 30, MEMBERS)
    report.figure("members", MEMBERS)
    report.figure("later_pictures_p50_ms", 1000.0 * float(np.median(later)))
    report.figure("later_pictures_p95_ms", 1000.0 * float(np.percentile(later, 95)))
    report.bar("first picture, s", first, "<=", 1.0)
    few, many = min(times_s(3, 20)), min(times_s(3, 20 * MEMBERS))
    report.bar("cost of 200 times as many bodies", many / few, "<=", 120)
    present = estimate(five_hours(20.0), MEMBERS, np.random.default_rng(0))
    seconds = []
    for scenarios in ([AS_NOW, CHANGE], [AS_NOW] + [Scenario(bolus_u=float(units)) for units in range(1, 10)]):
        began = time.perf_counter()
        futures(present, scenarios)
        seconds.append(time.perf_counter() - began)
    report.bar("ten scenarios side by side over two", seconds[1] / seconds[0], "<=", 5)
    report.note("Four hours ahead, five hours of history with a reading every 20 s; no database in the figure.")


if __name__ == "__main__":
    main("What-if", measure)
