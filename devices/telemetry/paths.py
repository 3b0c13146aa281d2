"""One device heard by several gateways: which readings are the same one, told twice.

Two gateways that hear a device number and time its readings apart from each other: by the device's own clock, or by
when they heard it. Readings of one device and metric with the same value are one reading when they came by different
paths and lie less than half a sampling period apart. Each has at most one copy per path, so that a device that
measures more often than its kind says loses nothing. What is kept is whichever came first: the set of readings does
not depend on the order of arrival, as long as two paths time one reading less than half a period apart.

Plain functions over arrays: what the store holds already arrives as an argument.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from devices.telemetry.batch import BUCKET_S, Copy, ReadingBatch, Waveform
from devices.telemetry.lanes import lane_of
from devices.telemetry.store import Reading, StoredCopy

MOST_APART_S = 30.0  # gateways' clocks are closer than this, however rarely a device measures
EVENT_APART_S = 0.5  # of what has no period: two openings of a lid take longer
_Sameness = tuple[object, ...]  # what two tellings of one reading have in common, but for their times


def apart_s(period_s: float) -> float:
    """Return from which distance on two equal values are two readings. period_s: 0 for what comes with an event."""
    return min(period_s / 2, MOST_APART_S) if period_s else EVENT_APART_S


class Told(NamedTuple):
    """A reading, or the begin of a block, as one path told it. t: device time, s since the Unix epoch."""

    t: float  # first, so that they sort by time
    seq: int


_BY_TIME = attrgetter("t")


@dataclass(slots=True)
class Ledger:
    """What is known to be kept of one device, and which path has told of it."""

    kept: dict[_Sameness, list[Told]] = field(default_factory=lambda: defaultdict(list))  # in order of time
    numbers: set[int] = field(default_factory=set)
    told: dict[tuple[int, int], int] = field(default_factory=dict)  # kept seq, lane -> the number by that path

    def keep(self, sameness: _Sameness, told: Told) -> None:
        """Note a reading that is kept."""
        insort(self.kept[sameness], told)
        self.numbers.add(told.seq)

    def tell(self, copies: Iterable[Copy | StoredCopy]) -> None:
        """Note what other paths told of readings that are kept."""
        self.told.update({(copy.seq, lane_of(copy.copy)): copy.copy for copy in copies})

    def original(self, sameness: _Sameness, told: Told, apart: float) -> int | None:
        """Return the number of the kept reading that this one repeats by another path; None for a reading of its own.

        A number that is kept is left to the store, which knows what was sent twice by its number.
        """
        if told.seq in self.numbers:
            return None
        lane = lane_of(told.seq)
        kept = self.kept.get(sameness, [])
        first, last = bisect_left(kept, told.t - apart, key=_BY_TIME), bisect_right(kept, told.t + apart, key=_BY_TIME)
        near = [
            (abs(one.t - told.t), one.seq)
            for one in kept[first:last]
            if abs(one.t - told.t) < apart
            and lane_of(one.seq) != lane
            and self.told.get((one.seq, lane), told.seq) == told.seq
        ]
        return min(near)[1] if near else None


class Past(NamedTuple):
    """How to ask the store about one device: by metrics and time, by metric and time, and by numbers that are kept."""

    readings: Callable[[int, Sequence[int], float, float], Iterable[Reading]]
    blocks: Callable[[int, int, float, float], Iterable[Waveform]]
    copies: Callable[[int, Iterable[int]], Iterable[StoredCopy]]


def without_copies(
    batch: ReadingBatch, shared: NDArray[np.uint32], periods_s: Callable[[int], float], past: Past
) -> ReadingBatch:
    """Return the group without what its shared devices had told by another path; `copies` says of what.

    shared: devices that several gateways hear. periods_s: metric -> its sampling period, in s. Raises what `past` does.
    """
    new = np.ones(len(batch.readings), np.bool_)
    blocks: list[Waveform] = []
    copies: list[Copy] = []
    rows = np.flatnonzero(np.isin(batch.readings["device"], shared))
    waves = {block.device for block in batch.waveforms}
    for device in shared.tolist():
        mine = rows[batch.readings["device"][rows] == device]
        if len(mine):
            found = _of_readings(device, batch.readings[mine], periods_s, past)
            new[mine[list(found)]] = False
            copies += found.values()
        if device in waves:
            found = _of_blocks(device, batch.waveforms, past)
            copies += found.values()
            blocks += [batch.waveforms[place] for place in found]
    if not copies:
        return batch
    dropped = {id(block) for block in blocks}
    kept = tuple(block for block in batch.waveforms if id(block) not in dropped)
    return replace(batch, readings=batch.readings[new], waveforms=kept, copies=tuple(copies))


def _of_readings(
    device: int, readings: NDArray[np.void], periods_s: Callable[[int], float], past: Past
) -> dict[int, Copy]:
    """Return place -> copy of those of a device's readings that another path told before, or in the same group."""
    apart = {metric: apart_s(periods_s(metric)) for metric in np.unique(readings["metric"]).tolist()}
    rows = [tuple(row) for row in readings[["metric", "value", "seq", "t"]].tolist()]
    asked = {(metric, value) for metric, value, _, _ in rows}
    ledger = Ledger()
    for t_from, t_to in _stretches(readings["t"], max(apart.values())):
        for row in past.readings(device, list(apart), t_from, t_to):
            if (row.metric, row.value) in asked:
                ledger.keep((row.metric, row.value), Told(row.t, row.seq))
    ledger.tell(past.copies(device, ledger.numbers))
    tellings = [((metric, value), Told(t, seq), apart[metric]) for metric, value, seq, t in rows]
    return _sift(device, ledger, enumerate(tellings))


def _stretches(t: NDArray[np.float64], apart: float) -> list[tuple[float, float]]:
    """Return from when to when to look for readings less than `apart` s from these: a group may join now to hours ago.

    A gap that is shorter than what the store reads at a time is not worth a question of its own.
    """
    ordered = np.sort(t)
    parts = np.split(ordered, np.flatnonzero(np.diff(ordered) > 2 * apart + BUCKET_S) + 1)
    return [(float(part[0]) - apart, float(part[-1]) + apart) for part in parts]


def _of_blocks(device: int, waveforms: Sequence[Waveform], past: Past) -> dict[int, Copy]:
    """Return place -> copy of those of a device's blocks that another path told before, or in the same group."""
    ledger = Ledger()
    tellings = []
    for place, block in enumerate(waveforms):
        if block.device != device:
            continue
        apart = apart_s(len(block.samples) * block.period_s)
        for one in past.blocks(device, block.metric, block.t0 - apart, block.t0 + apart):
            if one.seq not in ledger.numbers:
                ledger.keep(_form(one), Told(one.t0, one.seq))
        tellings.append((place, (_form(block), Told(block.t0, block.seq), apart)))
    ledger.tell(past.copies(device, ledger.numbers))
    return _sift(device, ledger, tellings)


def _form(block: Waveform) -> _Sameness:
    return block.metric, block.period_s, block.scale, block.samples.tobytes()


def _sift(
    device: int, ledger: Ledger, tellings: Iterable[tuple[int, tuple[_Sameness, Told, float]]]
) -> dict[int, Copy]:
    found = {}
    for place, (sameness, told, apart) in tellings:
        seq = ledger.original(sameness, told, apart)
        if seq is None:
            ledger.keep(sameness, told)
            continue
        found[place] = Copy(device, seq, told.seq)
        ledger.tell([found[place]])
    return found
