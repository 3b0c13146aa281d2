"""What a telemetry store promises. Two engines keep it: SQLite (embedded) and PostgreSQL (production).

One writer commits whole groups; any number of threads read. Rows are never changed once written: a reading that comes
again is recognised by (device, seq) and ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from devices.telemetry.batch import ReadingBatch, StoredWindow, Waveform
from devices.telemetry.erasing import Aged, Worn
from devices.telemetry.frames import Seal, StoredGroup

LOCK_WITHIN_S = 5.0  # a commit takes milliseconds; who holds on for longer is in trouble, and the group comes again


class Reading(NamedTuple):
    """One reading as stored. seq: with its lane, `devices.telemetry.lanes`."""

    device: int
    seq: int
    metric: int
    t: float  # device time, s since the Unix epoch
    value: float
    received: float  # server time, s since the Unix epoch


class StoredWaveform(NamedTuple):
    """A block of samples as stored. received: server time, s since the Unix epoch; None before that was kept."""

    block: Waveform
    received: float | None


class StoredCopy(NamedTuple):
    """What another path brought of a reading or block that is kept. received: server time, s since the Unix epoch."""

    device: int
    seq: int  # of what is kept
    copy: int  # the number that this path gave it, in its own lane
    received: float


class Written(NamedTuple):
    """Which rows of a group were not there before."""

    readings: NDArray[np.bool_]  # bool[n], beside ReadingBatch.readings
    waveforms: NDArray[np.bool_]  # bool[m], beside ReadingBatch.waveforms
    copies: NDArray[np.bool_]  # bool[k], beside ReadingBatch.copies


class TelemetryStore(Protocol):
    """Durable readings, waveforms, newest values and replay windows, and the frames that prove the readings."""

    def write(
        self, batch: ReadingBatch, windows: Sequence[StoredWindow] = (), known: Sequence[StoredWindow] | None = None
    ) -> Written:
        """Commit a group in one durable transaction and tell which rows were new.

        known: from which stored windows `windows` moved on, without those that were never stored; None does not ask.
        Raises WindowsMoved when others are stored, StoreUnavailable when the database is locked, full or gone: then
        nothing was written.
        """
        ...

    def reading(self, device: int, seq: int) -> Reading | None:
        """Return one reading."""
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

    def lines(
        self, begins: Mapping[int, float], metric_codes: Iterable[int], t_to: float, max_points: int
    ) -> list[Reading]:
        """Return what `history` does with `max_points`, of devices of which each has a beginning of its own.

        begins: device -> t_from, s since the Unix epoch. One question for a page of many charts: the rows of a device
        are walked once for all its metrics, and the server is waited for once.
        """
        ...

    def buckets(
        self, device_ids: Iterable[int], first: int, last: int, limit: int, newest_first: bool = True
    ) -> list[int]:
        """Return at most `limit` of the buckets from `first` to `last` in which any of the devices has readings."""
        ...

    def since(self, cursors: Mapping[int, int], limit: int) -> list[Reading]:
        """Return at most `limit` readings beyond the cursors, ordered by stream and seq.

        cursors: stream (`devices.telemetry.lanes`) -> the highest number that is known of it.
        """
        ...

    def ends(self, streams: Iterable[int]) -> dict[int, int]:
        """Return stream -> the highest number in use, of those that hold a reading."""
        ...

    def copies(self, device: int, seqs: Iterable[int]) -> list[StoredCopy]:
        """Return what other paths brought of these readings and blocks, in the order in which it came."""
        ...

    def hold(self, devices: Iterable[int]) -> AbstractContextManager[None]:
        """Keep every other process that asks for one of these devices waiting until the block ends.

        Whoever decides whether a reading is there already, and then writes, has to hold its device in between. A
        process that dies lets go. Raises StoreUnavailable when another one does not.
        """
        ...

    def waveforms(self, device_id: int, metric: int, t_from: float, t_to: float) -> list[Waveform]:
        """Return blocks that begin in t_from <= t0 < t_to, ordered by t0."""
        ...

    def waveform(self, device: int, seq: int) -> StoredWaveform | None:
        """Return one block and when it came."""
        ...

    def replay_windows(self, device_ids: Iterable[int]) -> list[StoredWindow]:
        """Return the persisted replay windows of the devices that have one."""
        ...

    def drop_waveforms_before(self, t: float, spared: Iterable[int] = ()) -> int:
        """Delete blocks that begin before `t`, but for those of spared devices (readings stay); return how many.

        Where no device is spared, the hashes of waveform frames that came before `t` go too.
        """
        ...

    def unsealed_groups(self, limit: int) -> list[StoredGroup]:
        """Return the oldest groups of frames that no root commits to, without their frames."""
        ...

    def seal_groups(self, seal: Seal, numbers: Sequence[int]) -> bool:
        """Note that a root commits to these groups; False, and nothing noted, when another process was faster."""
        ...

    def unlogged_seals(self) -> list[Seal]:
        """Return roots that may not be in the log yet."""
        ...

    def mark_logged(self, names: Sequence[str]) -> None:
        """Note that the log holds these roots."""
        ...

    def groups_received(self, received: float) -> list[StoredGroup]:
        """Return the groups of frames that were received at exactly that time: those that brought its readings."""
        ...

    def groups_sealed(self, name: str) -> list[StoredGroup]:
        """Return the groups under one root in the order of its leaves, without their frames."""
        ...

    def drop_frames_before(self, t: float, limit: int) -> int:
        """Let the bytes of frames go that came before `t`, of `limit` groups at most; hashes stay. Return how many."""
        ...

    def erase(self, worn: Worn, limit: int) -> int:
        """Delete what a device measured on one person, at most `limit` readings at a time; return how many rows went.

        Frames that brought them are cut out of their groups; hashes and roots stay. Called again until it returns 0.
        """
        ...

    def count_aged(self, what: Aged, t: float, spared: Iterable[int]) -> int:
        """Return how much is older than `t`, but for the spared devices."""
        ...

    def drop_aged(self, what: Aged, t: float, spared: Iterable[int], limit: int) -> int:
        """Delete at most `limit` spans of readings, or blocks, older than `t`; return how many."""
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
