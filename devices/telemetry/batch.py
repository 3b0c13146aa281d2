"""Readings as arrays: a commit group is one structured array, so that opening, checking and merging stay vectorised."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# device: 32-bit device id; metric: 32-bit ISO/IEEE 11073-10101 code (partition << 16 | term);
# seq: strictly rising per device, given by the gateway when the reading was made; t: device time, s since 1970.
READING = np.dtype([("device", "<u4"), ("metric", "<u4"), ("seq", "<u8"), ("t", "<f8"), ("value", "<f8")])


@dataclass(frozen=True, slots=True)
class Waveform:
    """A block of equally spaced samples. One block takes one `seq` of its device.

    samples: int16[n], value = samples * scale in the metric's unit.
    """

    device: int
    metric: int
    seq: int
    t0: float
    period_s: float
    scale: float
    samples: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class ReadingBatch:
    """What one commit group holds: authentic, validated readings and waveform blocks of any devices.

    readings: READING[n], in order of arrival. received_at: server time, s since the Unix epoch.
    """

    readings: NDArray[np.void]
    waveforms: tuple[Waveform, ...] = ()
    received_at: float = 0.0
    gateway_of: dict[int, int] = field(default_factory=dict)  # device id -> gateway id that brought it


class StoredWindow(NamedTuple):
    """A device's replay window as kept: which frame counters of its key epoch were accepted."""

    device: int
    epoch: int
    high: int
    bitmap: int


def newest(readings: NDArray[np.void]) -> NDArray[np.void]:
    """Return the newest reading of every (device, metric) by (t, seq), sorted by device and metric.

    readings: READING[n] in any order; returns READING[m], m <= n.
    """
    if len(readings) == 0:
        return readings
    key = readings["device"].astype(np.uint64) << np.uint64(32) | readings["metric"].astype(np.uint64)
    order = np.lexsort((readings["seq"], readings["t"], key))
    ordered = key[order]
    last = np.append(ordered[1:] != ordered[:-1], True)
    tops: NDArray[np.void] = readings[order[last]]
    return tops
