"""When the gateway heard what a frame brings: a few bytes in front of the payload of a frame of version 2.

Readings that were taken in together share one time. A frame of readings that waited and were joined has several runs:
so many readings heard at one time, then so many at the next.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from devices.errors import FrameMalformed, FrameTruncated, ReadingNotFinite

CALENDAR_S = 6.2e10  # before and after 1970: a page can still write the date
FIRST_RUN = struct.Struct(">BdH")  # how many runs; when the first was heard, and of how many readings it is
NEXT_RUN = struct.Struct(">iH")  # ms after the first
MOST_RUNS = 255


class Run(NamedTuple):
    """So many readings in a row that the gateway heard at one time, s since the Unix epoch by its clock."""

    readings: int
    at: float


def encode_heard(runs: Sequence[Run]) -> bytes:
    """Return what stands in front of a payload; times after the first as whole milliseconds from it.

    Raises FrameMalformed for no run, too many, one of no reading, and for times over 24 days apart.
    """
    if not 0 < len(runs) <= MOST_RUNS or not all(run.readings for run in runs) or not math.isfinite(runs[0].at):
        raise FrameMalformed(f"1 to {MOST_RUNS} runs of readings that were heard at some time")
    first = runs[0].at
    try:
        head = FIRST_RUN.pack(len(runs), first, runs[0].readings)
        return head + b"".join(NEXT_RUN.pack(round((run.at - first) * 1000.0), run.readings) for run in runs[1:])
    except (struct.error, ValueError, OverflowError) as error:
        raise FrameMalformed(
            "what one frame brings was heard within 24 days, at most 65535 readings at once"
        ) from error


def split_heard(payload: bytes) -> tuple[list[Run], bytes]:
    """Return the runs, and the payload behind them. Raises FrameTruncated, FrameMalformed or ReadingNotFinite."""
    size = FIRST_RUN.size + NEXT_RUN.size * (payload[0] - 1) if payload else FIRST_RUN.size
    if len(payload) <= max(size, FIRST_RUN.size):
        raise FrameTruncated("the payload ends before it says what was heard")
    count, first, readings = FIRST_RUN.unpack_from(payload)
    later = NEXT_RUN.iter_unpack(payload[FIRST_RUN.size : size]) if count else ()
    runs = [Run(readings, first), *(Run(many, first + ms / 1000.0) for ms, many in later)]
    if not count or not all(run.readings for run in runs):
        raise FrameMalformed("a frame of version 2 says when each of its readings was heard")
    if not math.isfinite(first):
        raise ReadingNotFinite("a time of hearing is not a number")
    if not all(abs(run.at) < CALENDAR_S for run in runs):
        raise FrameMalformed("a time of hearing is in seconds since 1970, and no calendar has this one")
    return runs, payload[size:]


def check_counts(runs: Iterable[Run], count: int) -> None:
    """Raise FrameMalformed unless the runs are of just so many readings."""
    if sum(run.readings for run in runs) != count:
        raise FrameMalformed(f"the times of hearing are not those of {count} readings")
