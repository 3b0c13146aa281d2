"""Joins small frames of readings that wait for the line into larger ones: one header and one seal for many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from devices.errors import FrameError, ReadingError
from devices.protocol.frames import join_readings, readings_head
from devices.protocol.heard import MOST_RUNS, Run, encode_heard

MOST_READINGS = 300  # in a joined frame, 3.6 kB: a lost one costs no more than that to send again


class Waiting(NamedTuple):
    """One batch of readings on the disk. made: when, s since the Unix epoch."""

    id: int
    device: int
    payload: bytes
    made: float


class Joined(NamedTuple):
    """What takes the place of several batches of one device. heard: when each part of it was taken in."""

    ids: list[int]
    device: int
    payload: bytes
    made: float
    heard: bytes  # as it stands in front of the payload


def joined_batches(waiting: Iterable[Waiting]) -> Iterator[Joined]:
    """Yield what can be joined: batches of one device whose numbers follow on each other. Others stay as they are."""
    open_runs: dict[int, tuple[list[Waiting], int, int]] = {}  # device -> run, its readings, the number that follows
    for one in waiting:
        try:
            seq, _, count = readings_head(one.payload)
        except (FrameError, ReadingError):
            continue
        run, readings, following = open_runs.get(one.device, ([], 0, seq))
        if seq != following or readings + count > MOST_READINGS or len(run) == MOST_RUNS:
            yield from _joined(run)
            run, readings = [], 0
        open_runs[one.device] = ([*run, one], readings + count, seq + count)
    for run, _, _ in open_runs.values():
        yield from _joined(run)


def _joined(run: list[Waiting]) -> Iterator[Joined]:
    if len(run) < 2:
        return
    try:
        payload = join_readings([one.payload for one in run])
        heard = encode_heard([Run(readings_head(one.payload)[2], one.made) for one in run])
    except FrameError:  # they lie over 24 days apart
        return
    yield Joined([one.id for one in run], run[0].device, payload, run[0].made, heard)
