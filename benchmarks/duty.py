"""What DEFLATE leaves of payloads of readings, on an hour of each emulated kind of device; synthetic bodies.

`python -m benchmarks.duty`. devices/energy/duty.py carries the means as a table, by which the energy of a way of
sending is reckoned before anybody sets it: here stands how far the table is from what is measured now.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from statistics import fmean

from compliance.measuring import Report, main
from devices.emulator.plant import Sample, load_plant
from devices.energy.duty import DEFLATED_SHARE
from devices.protocol.frames import deflate, encode_readings, inflate

KINDS = ("vital_signs_monitor", "cgm", "insulin_pump", "infusion_pump", "smart_pillbox")
START = 1_790_000_000.0
FARTHEST = 0.05


def _samples(seconds: int) -> dict[int, list[Sample]]:
    worn = {kind: number for number, kind in enumerate(KINDS, start=1)}
    patient = {
        "seed": 7, "devices": worn, "weight_kg": 70, "age_years": 50, "conditions": ["type_1_diabetes"],
        "time_zone": "Europe/Berlin", "doses": [], "adherence": 0.9, "episodes": [],
    }  # fmt: skip
    devices = [{"device_id": number, "kind": kind} for kind, number in worn.items()]
    plant = load_plant("twin.physiology.plants:build", devices, {"patients": [patient]})
    found: dict[int, list[Sample]] = defaultdict(list)
    for second in range(seconds):
        for sample in plant.advance(START + second):
            if isinstance(sample, Sample):
                found[sample.device_id].append(sample)
    return found


def _payloads(samples: list[Sample], count: int) -> list[bytes]:
    groups = [samples[at : at + count] for at in range(0, len(samples) - count + 1, count)]
    return [
        encode_readings(10**12 + at * count, [s.metric_code for s in one], [s.t for s in one], [s.value for s in one])
        for at, one in enumerate(groups)
    ]


def measure(report: Report, options: argparse.Namespace) -> None:
    """Fill the report."""
    emulated = _samples(1800 if options.quick else 7200)
    worst = 0.0
    for count, table in DEFLATED_SHARE:
        shares = [
            fmean(len(deflate(one)) / len(one) for one in payloads)
            for samples in emulated.values()
            if (payloads := _payloads(samples, count))
        ]
        report.figure(f"deflated_{count}_readings_share", fmean(shares))
        worst = max(worst, abs(fmean(shares) - table))
    payloads = [one for samples in emulated.values() for one in _payloads(samples, 20)]
    packed = [deflate(one) for one in payloads]
    start = time.perf_counter()
    for one in packed:
        inflate(one)
    report.figure("inflate_20_readings_us", 1e6 * (time.perf_counter() - start) / len(packed))
    report.bar("farthest_from_the_table", worst, "<=", FARTHEST)
    report.note(f"Mean over the kinds {', '.join(KINDS)}; emulated, so synthetic.")


if __name__ == "__main__":
    main("DEFLATE on readings", measure)
