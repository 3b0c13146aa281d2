"""Can this reading be true? Checks whole groups at once against the tables in devices/kinds and against the clock."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from devices.errors import ReadingClockJump, ReadingError, ReadingMetricUnknown, ReadingNotFinite, ReadingOutOfRange
from devices.kinds.registry import KINDS, Form, Measurement
from devices.telemetry import Waveform

AHEAD_S = 5 * 60.0  # a device clock may run ahead of ours by this much
BEHIND_S = 30 * 86_400.0  # a gateway may have been out of reach for this long
SMALLEST_SCALE = float(np.finfo(np.float32).tiny)  # zero, negative or subnormal steps are no measurement

# Verdicts by number; 0 is good.
REFUSALS: tuple[type[ReadingError] | None, ...] = (
    None,
    ReadingMetricUnknown,
    ReadingNotFinite,
    ReadingOutOfRange,
    ReadingClockJump,
)
UNKNOWN, NOT_FINITE, OUT_OF_RANGE, CLOCK_JUMP = range(1, 5)


class MetricTable:
    """The measurements of one sort (scalars, or waveforms) as arrays sorted by code."""

    def __init__(self, wanted: Callable[[Measurement], bool]) -> None:
        found = {m.code: m for kind in KINDS.values() for m in kind.measurements if wanted(m)}
        rows = [found[code] for code in sorted(found)]
        self.codes = np.array([m.code for m in rows], np.uint32)
        # Values travel as float32, so the bounds are what float32 makes of them: 0.3 must pass a bound of 0.3.
        self.low = np.array([m.low for m in rows], np.float32).astype(np.float64)
        self.high = np.array([m.high for m in rows], np.float32).astype(np.float64)
        self.is_enum = np.array([m.kind is Form.ENUMERATION for m in rows])
        self.named = np.array([sum(1 << n for n in m.values if 0 <= n < 64) for m in rows], np.uint64)
        # The last row stands for a kind that nobody knows: it measures nothing.
        self.measured = np.array(
            [[kind.measures(m.code) for m in rows] for kind in KINDS.values()] + [[False] * len(rows)]
        )

    def find(self, codes: NDArray[np.uint32], kinds: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return each code's row (any row where unknown), and whether that kind of device measures it."""
        row = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        return row, (self.codes[row] == codes) & self.measured[kinds, row]


SCALARS = MetricTable(lambda measurement: measurement.kind is not Form.WAVEFORM)
WAVEFORMS = MetricTable(lambda measurement: measurement.kind is Form.WAVEFORM)


def judge_readings(readings: NDArray[np.void], kinds: NDArray[np.intp], now: float) -> NDArray[np.int8]:
    """Return a verdict for each reading: 0, or a position in `REFUSALS`.

    readings: READING[n]. kinds: intp[n], each device's position in KINDS or -1. now: server time, s since the Unix
    epoch.
    """
    row, measured = SCALARS.find(readings["metric"], kinds)
    value, t = readings["value"], readings["t"]
    verdict = np.zeros(len(readings), np.int8)
    verdict[~(np.abs(t - now + (BEHIND_S - AHEAD_S) / 2) <= (BEHIND_S + AHEAD_S) / 2)] = CLOCK_JUMP
    verdict[~((value >= SCALARS.low[row]) & (value <= SCALARS.high[row]))] = OUT_OF_RANGE
    enum = np.flatnonzero(SCALARS.is_enum[row] & measured & (verdict != OUT_OF_RANGE))
    if len(enum):
        number = value[enum].astype(np.uint64)
        named = (SCALARS.named[row[enum]] >> number & np.uint64(1)).astype(bool) & (number == value[enum])
        verdict[enum[~named]] = OUT_OF_RANGE
    verdict[~np.isfinite(value) | ~np.isfinite(t)] = NOT_FINITE
    verdict[~measured] = UNKNOWN
    return verdict


def judge_waveform(block: Waveform, kind: int, now: float) -> int:
    """Return the verdict on one block: every sample has to be possible, and in time."""
    row, measured = WAVEFORMS.find(np.array([block.metric], np.uint32), np.array([kind]))
    if not measured[0]:
        return UNKNOWN
    if not (np.isfinite(block.scale) and np.isfinite(block.t0)):
        return NOT_FINITE
    if block.scale < SMALLEST_SCALE:
        return OUT_OF_RANGE
    ends = float(block.samples.min()) * block.scale, float(block.samples.max()) * block.scale
    if min(ends) < WAVEFORMS.low[row[0]] or max(ends) > WAVEFORMS.high[row[0]]:
        return OUT_OF_RANGE
    ends_s = (len(block.samples) - 1) * block.period_s  # a late end is as wrong as a late start
    return 0 if -BEHIND_S <= block.t0 - now <= AHEAD_S - ends_s else CLOCK_JUMP
