"""What a telemetry store promises. Two engines keep it: SQLite (embedded) and PostgreSQL (production).

One writer commits whole groups; any number of threads read. Rows are never changed once written: a reading that comes
again is recognised by (device, seq) and ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from devices.telemetry.batch import ReadingBatch, StoredWindow, Waveform


class Reading(NamedTuple):
    """One reading as stored."""

    device: int
    seq: int
    metric: int
    t: float  # device time, s since the Unix epoch
    value: float
    received: float  # server time, s since the Unix epoch


class Written(NamedTuple):
    """Which rows of a group were not there before."""

    readings: NDArray[np.bool_]  # bool[n], beside ReadingBatch.readings
    waveforms: NDArray[np.bool_]  # bool[m], beside ReadingBatch.waveforms


class TelemetryStore(Protocol):
    """Durable readings, waveforms, newest values and replay windows."""

    def write(
        self, batch: ReadingBatch, windows: Sequence[StoredWindow] = (), known: Sequence[StoredWindow] | None = None
    ) -> Written:
        """Commit a group in one durable transaction and tell which rows were new.

        known: from which stored windows `windows` moved on, without those that were never stored; None does not ask.
        Raises WindowsMoved when others are stored, StoreUnavailable when the database is locked, full or gone: then
        nothing was written.
        """
        ...

    def latest(self, device_ids: Iterable[int]) -> list[Reading]:
        """Return the newest reading, by (t, seq), of every metric of the devices."""
        ...

    def history(
        self,
        device_ids: Iterable[int],
        metric_codes: Iterable[int],
        t_from: float,
        t_to: float,
        max_points: int | None = None,
    ) -> list[Reading]:
        """Return readings with t_from <= t < t_to, ordered by device, metric, t.

        With `max_points` every series is cut into max_points / 2 equal spans of time, each of which keeps its lowest
        and its highest reading, so that no excursion disappears from a chart.
        """
        ...

    def since(self, cursors: Mapping[int, int], limit: int) -> list[Reading]:
        """Return at most `limit` readings with seq > cursors[device], ordered by device and seq."""
        ...

    def waveforms(self, device_id: int, metric: int, t_from: float, t_to: float) -> list[Waveform]:
        """Return blocks that begin in t_from <= t0 < t_to, ordered by t0."""
        ...

    def replay_windows(self, device_ids: Iterable[int]) -> list[StoredWindow]:
        """Return the persisted replay windows of the devices that have one."""
        ...

    def drop_waveforms_before(self, t: float) -> int:
        """Delete blocks that begin before `t` (readings stay) and return how many."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


def bucket_width_s(t_from: float, t_to: float, max_points: int) -> float:
    """Return the length of one span when a series is to have at most `max_points` points, two per span."""
    return max((t_to - t_from) / max(max_points // 2, 1), 1e-6)


def first_seen(readings: NDArray[np.void], inserted: Iterable[tuple[int, int]]) -> NDArray[np.bool_]:
    """Mark the rows that an INSERT returned as (device, seq); of rows that repeat inside the group only the first."""
    left = set(inserted)
    marks = np.zeros(len(readings), np.bool_)
    for row, pair in enumerate(zip(readings["device"].tolist(), readings["seq"].tolist(), strict=True)):
        if pair in left:
            left.discard(pair)
            marks[row] = True
    return marks
