"""Finds readings whose sequence number was taken by another reading.

What a gateway sends again is the same to the last bit and is passed over in silence. Other content under a known number
means that a gateway forgot what it had given out, such as by an old copy of its queue: the first reading stays, and
that one was dropped must not go unnoticed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from devices.telemetry import ReadingBatch, TelemetryStore, Waveform, Written
from devices.telemetry.lanes import lane_of, stream_of


def reused(batch: ReadingBatch, written: Written, store: TelemetryStore) -> Counter[tuple[int, int]]:
    """Return how many readings and blocks were dropped because another one holds their number, by device and lane.

    The lane tells which of a device's gateways gave a number twice. batch: the group as it was sent. written: which of
    it was new. Raises StoreUnavailable.
    """
    found: Counter[tuple[int, int]] = Counter()
    for run in _runs(batch.readings[~written.readings]):
        device, first = int(run["device"][0]), int(run["seq"][0])
        held = {row.seq: row[2:5] for row in store.since({stream_of(device, first): first - 1}, len(run))}
        rows = zip(run["seq"].tolist(), run[["metric", "t", "value"]].tolist(), strict=True)
        found[device, lane_of(first)] += sum(held.get(seq) != content for seq, content in rows)
    for block, new in zip(batch.waveforms, written.waveforms, strict=True):
        if not new and not _holds(store, block):
            found[block.device, lane_of(block.seq)] += 1
    return +found


def _runs(readings: NDArray[np.void]) -> Iterator[NDArray[np.void]]:
    """Cut READING[n] where the device changes or its numbers do not go on; nothing for an empty array."""
    follows = (readings["device"][1:] == readings["device"][:-1]) & (readings["seq"][1:] == readings["seq"][:-1] + 1)
    return (run for run in np.split(readings, np.flatnonzero(~follows) + 1) if len(run))


def _holds(store: TelemetryStore, block: Waveform) -> bool:
    """Tell whether this very block is stored."""
    stored = store.waveforms(block.device, block.metric, block.t0, math.nextafter(block.t0, math.inf))
    sent = (block.seq, block.period_s, block.scale, block.samples.tolist())
    return any((one.seq, one.period_s, one.scale, one.samples.tolist()) == sent for one in stored)
