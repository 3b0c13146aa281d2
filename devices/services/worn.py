"""Readings of a patient, and of devices as they are worn now: what the store holds, cut by who wore the device."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from compliance.models import Patient
from devices.selectors.worn import Span, Wear, moment_of, worn_since
from devices.services.plausibility import AHEAD_S
from devices.services.telemetry import store
from devices.telemetry import Reading


def readings_of(
    patient: Patient, codes: Iterable[int], t_from: float, t_to: float, max_points: int | None = None
) -> list[Reading]:
    """Return what was measured of the patient with t_from <= t < t_to, by any device worn then.

    With `max_points` every span's part of the window is thinned in proportion, as the store's `history` does it.
    """
    if not t_from < t_to:  # NaN too
        return []
    wanted, wear = list(codes), Wear([patient.pk])
    found: dict[tuple[int, int], Reading] = {}
    for (starts, ends), devices in _windows(wear.spans, t_from, t_to).items():
        share = None if max_points is None else max(math.ceil(max_points * (ends - starts) / (t_to - t_from)), 2)
        rows = store().history(devices, wanted, starts, ends, share)
        found |= {(row.device, row.seq): row for row in rows if wear.holds(row)}
    return list(found.values())


def _windows(spans: Iterable[Span], t_from: float, t_to: float) -> dict[tuple[float, float], list[int]]:
    """Return the parts of a window with the devices worn in each; devices worn all the time are asked for together."""
    devices: dict[tuple[float, float], list[int]] = defaultdict(list)
    for span in spans:
        # A clock that runs ahead made readings beyond the end that are still this patient's.
        starts, ends = max(span.starts, t_from), min(span.ends + AHEAD_S, t_to)
        if starts < ends:
            devices[starts, ends].append(span.device)
    return devices


def latest_of(devices: Iterable[int]) -> list[Reading]:
    """Return the newest reading of every metric that each device made since it came to who has it now."""
    ids = list(devices)
    since = worn_since(ids)
    kept, ahead = [], []
    for row in store().latest(ids):
        start = since.get(row.device, -math.inf)
        if moment_of(row.t, row.received) >= start:
            kept.append(row)
        elif row.t >= start:
            ahead.append(row)
    return kept + [found for row in ahead for found in _behind(row, since[row.device])]


def _behind(row: Reading, since: float) -> list[Reading]:
    """Return the newest reading of a metric since `since`, where one of before stands in front: its clock ran ahead."""
    rows = store().history([row.device], [row.metric], since, row.t + AHEAD_S)
    return sorted((one for one in rows if one.received >= since), key=lambda one: (one.t, one.seq))[-1:]
