"""What checking readings against the alarm limits costs, per reading: `python -m benchmarks.alerts`.

A thousand devices of two hundred patients; commit groups of several sizes; first calm, then with a share of the devices
out of limits for the whole run. Judging and remembering are measured; what is stored is stored once per alert.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray

from compliance.measuring import Report, main
from devices.kinds.registry import by_key
from devices.telemetry.batch import READING
from twin.alerts.defaults import DEFAULT_LIMITS
from twin.alerts.rulebook import Rulebook, build
from twin.alerts.watch import Watch

DEVICES, PATIENTS = 1000, 200
CALM = {
    "heart_rate": 75.0,
    "spo2": 97.0,
    "respiration_rate": 14.0,
    "bp_systolic": 120.0,
    "temperature": 36.8,
    "infusion_rate": 10.0,
}
LOW_SPO2 = 80.0
GROUPS = (20, 200, 2000, 20_000)
AIM_NS = 1000.0  # a tenth of what a reading costs at 100,000 readings a second
START = 1_800_000_000.0


def rulebook() -> Rulebook[int]:
    """Return the default limits for the benchmark's devices."""
    return build(
        patients={device: device % PATIENTS for device in range(1, DEVICES + 1)},
        house=DEFAULT_LIMITS,
        personal={},
        code_of=lambda key: by_key(key).code,
        news_s_of=lambda _: 120.0,
    )


def group(size: int, number: int, share: float, random: np.random.Generator) -> NDArray[np.void]:
    """Return a commit group, READING[size], in which `share` of the devices report a low SpO2."""
    codes = np.array([by_key(key).code for key in CALM], dtype=np.uint32)
    picked = random.integers(0, len(CALM), size)
    readings = np.zeros(size, READING)
    readings["device"] = random.integers(1, DEVICES + 1, size)
    readings["metric"] = codes[picked]
    readings["value"] = np.array(list(CALM.values()))[picked]
    readings["value"][(readings["device"] <= share * DEVICES) & (picked == 1)] = LOW_SPO2
    readings["t"], readings["seq"] = START + number, np.arange(size)
    return readings


def ns_per_reading(size: int, share: float, readings: int) -> float:
    """Return the cost of one reading in processor time, the best of three runs: a neighbour's load does not count."""
    random, costs = np.random.default_rng(7), []
    groups = [group(size, number, share, random) for number in range(max(3, readings // size))]
    for _ in range(3):
        watch, start = Watch(rulebook()), time.process_time()
        for number, each in enumerate(groups):
            watch.settle(watch.judge(each, START + number + 0.2))
        costs.append((time.process_time() - start) / (size * len(groups)) * 1e9)
    return min(costs)


def measure(report: Report, options: argparse.Namespace) -> None:
    """Fill the report."""
    readings = 100_000 if options.quick else 1_000_000
    for size in GROUPS:
        report.figure(f"calm_group_of_{size}_ns_per_reading", ns_per_reading(size, 0.0, readings))
    for share in (0.01, 0.1, 1.0):
        cost = ns_per_reading(2000, share, readings // 5)
        report.figure(f"{share:.0%}_of_devices_alarming_ns_per_reading".replace("%", "_percent"), cost)
    report.bar("calm_ns_per_reading", float(report.figures["calm_group_of_2000_ns_per_reading"]), "<=", AIM_NS)
    report.note(f"{DEVICES} devices, {PATIENTS} patients, {len(DEFAULT_LIMITS)} limits, seed 7, one core.")


if __name__ == "__main__":
    main("Alarm limits: cost per reading", measure)
