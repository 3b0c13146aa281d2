"""Lanes: the readings that each gateway brings of one device keep numbers of their own, side by side.

Two gateways that hear one device number its readings without knowing of each other. The gateway that the device belongs
to has lane 0, whose numbers are those on the wire; each further path adds its lane above them. A number stays below
2^53, so that browsers hold it exactly.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

LANE_BITS = 48  # of a number on the wire: milliseconds since 1970 fit until the year 10889
LANES = 4
_DEVICE_BITS = 32


def lane_of(seq: int) -> int:
    """Return by which path a reading of that number came; 0 for the gateway that its device belongs to."""
    lane = seq >> LANE_BITS
    return lane if lane < LANES else 0


def seq_in(lane: int, number: int) -> int:
    """Return the number that a reading has in the store: `number` is the one on the wire, below 2^48."""
    return lane << LANE_BITS | number


def number_of(seq: int) -> int:
    """Return the number that a reading had on the wire."""
    return seq - (lane_of(seq) << LANE_BITS)


def stream_of(device: int, seq: int) -> int:
    """Return the stream of a reading: one device by one path. In lane 0 it is the device's own number."""
    return lane_of(seq) << _DEVICE_BITS | device


def stream(device: int, lane: int) -> int:
    """Return the stream of a device by the path of that lane."""
    return lane << _DEVICE_BITS | device


def lane_in(stream_: int) -> int:
    """Return in which lane the readings of a stream are numbered."""
    return stream_ >> _DEVICE_BITS


def is_stream(number: int) -> bool:
    """Tell whether that can be a stream: browsers say which they have seen."""
    return 0 <= number < LANES << _DEVICE_BITS


def device_of(stream_: int) -> int:
    """Return whose stream it is."""
    return stream_ & ((1 << _DEVICE_BITS) - 1)


def numbers_of(stream_: int) -> tuple[int, int]:
    """Return the lowest and the highest number that a reading of the stream may have in the store."""
    lane = lane_in(stream_)
    return lane << LANE_BITS, (lane + 1 << LANE_BITS) - 1


def streams_of(devices: Iterable[int]) -> list[int]:
    """Return every stream that these devices can have."""
    return [stream(int(device), lane) for device in devices for lane in range(LANES)]


def streams(devices: NDArray[np.uint32], seqs: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the stream of each reading: int64[n]."""
    lanes = (seqs >> np.uint64(LANE_BITS)).astype(np.int64)
    return np.where(lanes < LANES, lanes, 0) << _DEVICE_BITS | devices.astype(np.int64)
