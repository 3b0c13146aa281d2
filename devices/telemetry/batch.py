"""Readings as arrays: a commit group is one structured array, so that opening, checking and merging stay vectorised."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from devices.telemetry.frames import FrameGroup
from devices.telemetry.lanes import streams

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


class Copy(NamedTuple):
    """A reading, or a block, that a second path brought of what is kept already under another number.

    seq: the number that is kept. copy: the one that this path gave it, in its own lane.
    """

    device: int
    seq: int
    copy: int


@dataclass(frozen=True, slots=True)
class ReadingBatch:
    """What one commit group holds: authentic, validated readings and waveform blocks of any devices.

    readings: READING[n], in order of arrival. received_at: server time, s since the Unix epoch.
    """

    readings: NDArray[np.void]
    waveforms: tuple[Waveform, ...] = ()
    received_at: float = 0.0
    gateway_of: dict[int, int] = field(default_factory=dict)  # device id -> gateway id that brought it
    frames: FrameGroup | None = None  # the sealed frames that brought the readings
    wave_frames: FrameGroup | None = None  # of those that brought the waveforms the hashes
    copies: tuple[Copy, ...] = ()  # what other paths had brought, and is not among the readings or waveforms
    # Devices whose readings other processes may store too. Held until the group is stored: what the stores say of them
    # is all there is, and what a process remembers of them is not.
    shared: frozenset[int] = frozenset()


class StoredWindow(NamedTuple):
    """A device's replay window as kept: which frame counters of its key epoch were accepted."""

    device: int
    epoch: int
    high: int
    bitmap: int


def series_keys(readings: NDArray[np.void]) -> NDArray[np.uint64]:
    """Return device << 32 | metric of each reading: uint64[n]."""
    return readings["device"].astype(np.uint64) << np.uint64(32) | readings["metric"].astype(np.uint64)


def newest_rows(readings: NDArray[np.void]) -> NDArray[np.intp]:
    """Return the row of the newest reading of every (device, metric) by (t, seq), sorted by device and metric.

    Equal (t, seq) means the same reading; the value breaks the tie all the same, so that the order is total.
    """
    keys = series_keys(readings)
    order = np.lexsort((readings["value"], readings["seq"], readings["t"], keys))
    ordered = keys[order]
    last = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=last[:-1])
    return order[last]


def newest(readings: NDArray[np.void]) -> NDArray[np.void]:
    """Return those readings themselves: READING[m], m <= n."""
    tops: NDArray[np.void] = readings[newest_rows(readings)]
    return tops


BUCKET_S = 600  # readings are found by time through the sequence numbers that a device used within ten minutes


def buckets_of(t: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the ten minutes that each time falls into, counted from the Unix epoch: int64[n]."""
    return np.floor(t).astype(np.int64) // BUCKET_S  # exact, unlike a division of floats that rounds up at an edge


class Span(NamedTuple):
    """Every reading of a stream within a bucket of time has a sequence number from `first` to `last`."""

    bucket: int
    stream: int  # the device's number, and by which path: devices.telemetry.lanes
    first: int
    last: int


def spans_of(readings: NDArray[np.void]) -> list[Span]:
    """Return the spans that a group of readings makes, sorted by bucket and stream."""
    if len(readings) == 0:
        return []
    bucket, seq = buckets_of(readings["t"]), readings["seq"]
    stream = streams(readings["device"], seq)
    order = np.lexsort((seq, stream, bucket))
    bucket, stream, seq = bucket[order], stream[order], seq[order]
    starts = np.flatnonzero(np.append(True, (bucket[1:] != bucket[:-1]) | (stream[1:] != stream[:-1])))
    ends = np.append(starts[1:], len(order)) - 1
    columns = (bucket[starts], stream[starts], seq[starts], seq[ends])
    return [Span(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
