"""Thinned readings of many devices by one question, on every engine: what plain Python finds, series by series."""

from __future__ import annotations

import math

import numpy as np
import pytest

from devices.telemetry import READING, Reading, ReadingBatch
from devices.telemetry.lanes import seq_in
from devices.telemetry.store import bucket_width_s

T0, T_TO = 1_700_000_000.0, 1_700_010_800.25
RECEIVED = T_TO + 1
METRICS = (0x8027_0074, 0x8027_0080, 0x8027_0090)
BEGINS = {7: T0, 8: T0 + 0.1, 9: T0 + 5_400.7, 0xFFFF_FFFF: T_TO - 600.0, 11: T_TO + 60.0, 12: T0}


def mixed_readings() -> np.ndarray:
    """Return readings of all devices but the last, by two paths, in no order of time: no value comes twice."""
    random = np.random.default_rng(7)
    rows = np.zeros(6_000, READING)
    rows["device"] = random.choice([device for device in BEGINS if device != 12], len(rows))
    rows["metric"] = random.choice(METRICS, len(rows))
    rows["seq"] = [seq_in(int(lane), n + 1) for n, lane in enumerate(random.integers(0, 2, len(rows)))]
    rows["t"] = random.uniform(T0 - 3_600.0, T_TO + 3_600.0, len(rows))
    rows["t"][:5] = sorted(BEGINS.values())[:5]  # to the last bit at a beginning
    rows["value"] = random.permutation(len(rows)) / 7.0
    return rows


def thinned(rows: np.ndarray, begins: dict[int, float], metrics: tuple[int, ...], max_points: int) -> list[Reading]:
    """Return what has to be kept: of every part of every series the lowest and the highest."""
    parts: dict[tuple[int, int, int], list[Reading]] = {}
    for device, metric, seq, t, value in rows[["device", "metric", "seq", "t", "value"]].tolist():
        if device in begins and metric in metrics and begins[device] <= t < T_TO:
            part = math.floor((t - begins[device]) / bucket_width_s(begins[device], T_TO, max_points))
            found = Reading(device, seq, metric, t, value, RECEIVED)
            parts.setdefault((device, metric, part), []).append(found)
    ends = {end(part, key=lambda row: row.value) for part in parts.values() for end in (min, max)}
    return sorted(ends, key=lambda row: (row.device, row.metric, row.t, row.seq))


@pytest.mark.parametrize("max_points", [2, 24, 120, 4_000])
def test_every_line_is_thinned_from_its_own_beginning(store, max_points) -> None:
    rows = mixed_readings()
    store.write(ReadingBatch(rows, (), RECEIVED))
    kept = store.lines(BEGINS, METRICS[:2], T_TO, max_points)
    assert kept == thinned(rows, BEGINS, METRICS[:2], max_points)
    assert {row.device for row in kept} == {7, 8, 9, 0xFFFF_FFFF}


def test_many_lines_at_once_are_the_histories_of_each(store) -> None:
    store.write(ReadingBatch(mixed_readings(), (), RECEIVED))
    each = [
        row
        for device, begin in sorted(BEGINS.items())
        for metric in METRICS
        for row in store.history([device], [metric], begin, T_TO, 120)
    ]
    assert store.lines(BEGINS, METRICS, T_TO, 120) == each


def test_a_flat_line_stays_flat(store) -> None:
    rows = np.zeros(600, READING)
    rows["device"], rows["metric"], rows["value"] = 7, METRICS[0], 80.0
    rows["seq"], rows["t"] = np.arange(1, 601), T0 + np.arange(600)
    store.write(ReadingBatch(rows, (), RECEIVED))
    kept = store.lines({7: T0}, METRICS, T0 + 600, 20)
    assert {math.floor((row.t - T0) / 60) for row in kept} == set(range(10))
    assert {row.value for row in kept} == {80.0}
    assert len(kept) <= 20


def test_no_line_is_asked_for_and_none_comes(store) -> None:
    store.write(ReadingBatch(mixed_readings(), (), RECEIVED))
    assert store.lines({}, METRICS, T_TO, 120) == []
    assert store.lines(BEGINS, [], T_TO, 120) == []
    assert store.lines({12: T0}, METRICS, T_TO, 120) == []
