"""Telemetry in a SQLite file of its own: write-ahead log, synchronous FULL, rows clustered by (device, seq).

There is no index by time: it doubled the pages that a commit dirties. Instead `span` keeps, per device and ten minutes
of device time, which sequence numbers occur, and a search by time reads just these neighbouring rows.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.errors import StoreUnavailable, WindowsMoved
from devices.telemetry import sqlite_erasing as erasing
from devices.telemetry import sqlite_frames as frames
from devices.telemetry import sqlite_history as history
from devices.telemetry.batch import ReadingBatch, Span, StoredWindow, Waveform, newest, spans_of
from devices.telemetry.erasing import Aged, Worn
from devices.telemetry.frames import Seal, StoredGroup
from devices.telemetry.lanes import device_of, numbers_of, streams_of
from devices.telemetry.locked import locked
from devices.telemetry.pool import Pool
from devices.telemetry.spans import SpanBook
from devices.telemetry.store import (
    LOCK_WITHIN_S,
    Reading,
    StoredCopy,
    StoredWaveform,
    Written,
    first_seen,
)

# One multi-row INSERT is one sqlite3_step: the interpreter lock is dropped once per statement instead of once per row.
ROWS_PER_STATEMENT = 50
CACHE_KIB = 16 * 1024
COLUMNS = "device, seq, metric, t, value, received"
LATER_COLUMNS = (("waveform", "received", "real"), ("frame_group", "heard", "blob"))  # of files from before

SCHEMA = """
create table if not exists reading(
  device integer not null, seq integer not null, metric integer not null, t real not null, value real not null,
  received real not null, primary key(device, seq)) without rowid;
create table if not exists span(
  bucket integer not null, device integer not null, first_seq integer not null, last_seq integer not null,
  primary key(bucket, device)) without rowid;
create table if not exists latest(
  device integer not null, metric integer not null, t real not null, seq integer not null, value real not null,
  received real not null, primary key(device, metric)) without rowid;
create table if not exists waveform(
  device integer not null, seq integer not null, metric integer not null, t0 real not null, period_s real not null,
  scale real not null, samples blob not null, received real, primary key(device, seq)) without rowid;
create index if not exists waveform_by_series on waveform(device, metric, t0);
create index if not exists waveform_by_time on waveform(t0);
create table if not exists replay(
  device integer primary key, epoch integer not null, high integer not null, bitmap integer not null);
create table if not exists copy(
  device integer not null, seq integer not null, copy integer not null, received real not null,
  primary key(device, seq, copy)) without rowid;
"""

# The newest by (t, seq) wins: the same join as in memory, so that late data never replaces what is newer.
UPSERT_LATEST = """insert into latest(device, metric, seq, t, value, received) values(?,?,?,?,?,?)
on conflict(device, metric)
do update set t=excluded.t, seq=excluded.seq, value=excluded.value, received=excluded.received
where (excluded.t, excluded.seq) > (latest.t, latest.seq)"""
UPSERT_SPAN = """insert into span(bucket, device, first_seq, last_seq) values(?,?,?,?)
on conflict(bucket, device) do update
set first_seq=min(first_seq, excluded.first_seq), last_seq=max(last_seq, excluded.last_seq)
where excluded.first_seq < first_seq or excluded.last_seq > last_seq"""
UPSERT_REPLAY = """insert into replay(device, epoch, high, bitmap) values(?,?,?,?)
on conflict(device) do update set epoch=excluded.epoch, high=excluded.high, bitmap=excluded.bitmap"""
SELECT_REPLAY = "select device, epoch, high, bitmap from replay where device in (select value from json_each(?))"
INSERT_COPY = "insert into copy(device, seq, copy, received) values(?,?,?,?) on conflict do nothing"
INSERT_WAVEFORM = """insert into waveform(device, seq, metric, t0, period_s, scale, samples, received)
values(?,?,?,?,?,?,?,?) on conflict do nothing"""


@cache
def _insert(rows: int, returning: bool = False) -> str:
    """Return an INSERT of `rows` readings; parameter 1 is the time of receipt, shared by the whole group."""
    places = ",".join(
        f"(?{first},?{first + 1},?{first + 2},?{first + 3},?{first + 4},?1)" for first in range(2, 2 + 5 * rows, 5)
    )
    tail = " returning device, seq" if returning else ""
    return f"insert into reading(device, metric, seq, t, value, received) values{places} on conflict do nothing{tail}"


def _statements(readings: NDArray[np.void], received: float) -> Iterator[tuple[int, list[float]]]:
    """Cut the group into few statement shapes (50, 20 and 1 rows), so that prepared statements are reused."""
    flat: list[float] = [0] * (5 * len(readings))
    for place, name in enumerate(
        ("device", "metric", "seq", "t", "value")
    ):  # no tuple per row: the collector sleeps on
        flat[place::5] = readings[name].tolist()
    start, left = 0, len(readings)
    for rows in (ROWS_PER_STATEMENT, 20, 1):
        while left >= rows:
            yield rows, [received, *flat[start : start + 5 * rows]]
            start, left = start + 5 * rows, left - rows


class SqliteStore:
    """A `TelemetryStore` in one file."""

    def __init__(self, path: Path, busy_timeout_s: float = 5.0) -> None:
        self._path, self._busy_timeout_s = path, busy_timeout_s
        self._write_lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._readers = Pool(self._connect)
        self._spans = SpanBook()

    def write(
        self, batch: ReadingBatch, windows: Sequence[StoredWindow] = (), known: Sequence[StoredWindow] | None = None
    ) -> Written:
        """Commit a group in one durable transaction and tell which rows were new; see `TelemetryStore.write`."""
        with self._write_lock, self._named_errors():
            with self._transaction() as db:
                self._check(db, windows, known)
                before = db.total_changes
                for rows, values in _statements(batch.readings, batch.received_at):
                    db.execute(_insert(rows), values)
                all_new = db.total_changes - before == len(batch.readings)
                if all_new:
                    spans, *rest = self._write_rest(db, batch, windows)
                else:
                    db.rollback()
            if all_new:
                self._spans.remember(spans)
                return Written(np.ones(len(batch.readings), np.bool_), *rest)
            with self._transaction() as db:  # rare: something was sent twice, so ask for each row
                self._check(db, windows, known)
                inserted: list[tuple[int, int]] = []
                for rows, values in _statements(batch.readings, batch.received_at):
                    inserted += db.execute(_insert(rows, returning=True), values).fetchall()
                new = first_seen(batch.readings, inserted)
                stored = replace(batch, readings=batch.readings[new])  # what was not stored must not become `latest`
                spans, *rest = self._write_rest(db, stored, windows)
            self._spans.remember(spans)
            return Written(new, *rest)

    @staticmethod
    def _check(db: sqlite3.Connection, windows: Sequence[StoredWindow], known: Sequence[StoredWindow] | None) -> None:
        """Raise WindowsMoved when another process moved one of these windows."""
        if known is not None and windows:
            devices = json.dumps([window.device for window in windows])
            if set(db.execute(SELECT_REPLAY, (devices,))) != set(known):
                raise WindowsMoved

    def _write_rest(
        self, db: sqlite3.Connection, batch: ReadingBatch, windows: Sequence[StoredWindow]
    ) -> tuple[list[Span], NDArray[np.bool_], NDArray[np.bool_]]:
        """Write what goes with the readings; return the spans stored, and which waveform blocks and copies were new."""
        db.executemany(UPSERT_LATEST, [(*row, batch.received_at) for row in newest(batch.readings).tolist()])
        spans = self._spans.missing(spans_of(batch.readings))
        db.executemany(UPSERT_SPAN, spans)
        db.executemany(UPSERT_REPLAY, windows)
        for group in (batch.frames, batch.wave_frames):
            if group is not None:
                frames.insert_group(db, group, batch.received_at)
        new = np.zeros(len(batch.waveforms), np.bool_)
        for row, block in enumerate(batch.waveforms):
            values = (block.device, block.seq, block.metric, block.t0, block.period_s, block.scale)
            samples = block.samples.astype("<i2").tobytes()
            new[row] = db.execute(INSERT_WAVEFORM, (*values, samples, batch.received_at)).rowcount == 1
        copies = [db.execute(INSERT_COPY, (*copy, batch.received_at)).rowcount == 1 for copy in batch.copies]
        return spans, new, np.array(copies, np.bool_)

    def reading(self, device: int, seq: int) -> Reading | None:
        """Return one reading."""
        query = f"select {COLUMNS} from reading where device = ? and seq = ?"  # noqa: S608
        return next(iter(self._select(query, (device, seq))), None)

    def latest(self, device_ids: Iterable[int]) -> list[Reading]:
        """Return the newest reading, by (t, seq), of every metric of the devices."""
        ids = json.dumps([int(device) for device in device_ids])
        return self._select(
            f"select {COLUMNS} from latest where device in (select value from json_each(?)) order by device, metric",  # noqa: S608
            (ids,),
        )

    def history(
        self,
        device_ids: Iterable[int],
        metric_codes: Iterable[int],
        t_from: float,
        t_to: float,
        max_points: int | None = None,
    ) -> list[Reading]:
        """Return readings with t_from <= t < t_to, ordered by device, metric, t; see `TelemetryStore.history`."""
        begins = dict.fromkeys((int(device) for device in device_ids), t_from)
        return self._select(*history.readings(begins, metric_codes, t_to, max_points)) if begins else []

    def lines(
        self, begins: Mapping[int, float], metric_codes: Iterable[int], t_to: float, max_points: int
    ) -> list[Reading]:
        """Return thinned readings of devices of which each has a beginning of its own; see `TelemetryStore.lines`."""
        return self._select(*history.readings(begins, metric_codes, t_to, max_points)) if begins else []

    def buckets(
        self, device_ids: Iterable[int], first: int, last: int, limit: int, newest_first: bool = True
    ) -> list[int]:
        """Return the buckets in which any of the devices has readings; see `TelemetryStore.buckets`."""
        query = f"""select distinct bucket from span where bucket between ? and ?
            and device in (select value from json_each(?))
            order by bucket {"desc" if newest_first else "asc"} limit ?"""  # noqa: S608
        ids = json.dumps(streams_of(device_ids))
        with self._named_errors(), self._readers.lend() as db:
            return [bucket for (bucket,) in db.execute(query, (first, last, ids, limit))]

    def since(self, cursors: Mapping[int, int], limit: int) -> list[Reading]:
        """Return at most `limit` readings beyond the cursors of streams; see `TelemetryStore.since`."""
        found: list[Reading] = []
        query = f"select {COLUMNS} from reading where device = ? and seq between ? and ? order by seq limit ?"  # noqa: S608
        for stream in sorted(cursors):
            if len(found) >= limit:
                break
            first, last = numbers_of(stream)
            values = (device_of(stream), max(first, cursors[stream] + 1), last, limit - len(found))
            found += self._select(query, values)
        return found

    def ends(self, streams: Iterable[int]) -> dict[int, int]:
        """Return the highest number in use of each stream; see `TelemetryStore.ends`."""
        query = "select max(seq) from reading where device = ? and seq between ? and ?"
        with self._named_errors(), self._readers.lend() as db:
            found = {
                stream: db.execute(query, (device_of(stream), *numbers_of(stream))).fetchone() for stream in streams
            }
        return {stream: row[0] for stream, row in found.items() if row[0] is not None}

    def copies(self, device: int, seqs: Iterable[int]) -> list[StoredCopy]:
        """Return what other paths brought of these readings and blocks, in the order in which it came."""
        query = """select device, seq, copy, received from copy
            where device = ? and seq in (select value from json_each(?)) order by received, copy"""
        with self._named_errors(), self._readers.lend() as db:
            return [StoredCopy(*row) for row in db.execute(query, (device, json.dumps(list(seqs))))]

    def hold(self, devices: Iterable[int]) -> contextlib.AbstractContextManager[None]:
        """Keep other processes from deciding about any shared device meanwhile; see `TelemetryStore.hold`."""
        return locked(self._path.with_name(f"{self._path.name}.paths"), LOCK_WITHIN_S)

    def waveforms(self, device_id: int, metric: int, t_from: float, t_to: float) -> list[Waveform]:
        """Return blocks that begin in t_from <= t0 < t_to, ordered by t0."""
        query = """select device, metric, seq, t0, period_s, scale, samples from waveform
            where device = ? and metric = ? and t0 >= ? and t0 < ? order by t0, seq"""
        with self._named_errors(), self._readers.lend() as db:
            rows = db.execute(query, (device_id, metric, t_from, t_to)).fetchall()
        return [_block(row) for row in rows]

    def waveform(self, device: int, seq: int) -> StoredWaveform | None:
        """Return one block and when it came."""
        query = """select device, metric, seq, t0, period_s, scale, samples, received from waveform
            where device = ? and seq = ?"""
        with self._named_errors(), self._readers.lend() as db:
            row = db.execute(query, (device, seq)).fetchone()
        return StoredWaveform(_block(row[:-1]), row[-1]) if row else None

    def replay_windows(self, device_ids: Iterable[int]) -> list[StoredWindow]:
        """Return the persisted replay windows of the devices that have one."""
        with self._named_errors(), self._readers.lend() as db:
            return [StoredWindow(*row) for row in db.execute(SELECT_REPLAY, (json.dumps(list(device_ids)),))]

    def drop_waveforms_before(self, t: float, spared: Iterable[int] = ()) -> int:
        """Delete blocks before `t`, but for the spared devices; see `TelemetryStore.drop_waveforms_before`."""
        held = json.dumps(list(spared))
        with self._write_lock, self._named_errors(), self._transaction() as db:
            if held == "[]":
                db.execute(frames.DROP_WAVES, (t,))
            db.execute(erasing.DROP_BLOCK_COPIES, (t, held))
            query = "delete from waveform where t0 < ? and device not in (select value from json_each(?))"
            return db.execute(query, (t, held)).rowcount

    def unsealed_groups(self, limit: int) -> list[StoredGroup]:
        """Return the oldest groups of frames that no root commits to, without their frames."""
        with self._named_errors(), self._readers.lend() as db:
            return frames.unsealed(db, limit)

    def seal_groups(self, seal: Seal, numbers: Sequence[int]) -> bool:
        """Note that a root commits to these groups; False, and nothing noted, when another process was faster."""
        with self._write_lock, self._named_errors(), self._transaction() as db:
            whole = frames.seal(db, seal, numbers)
            if not whole:
                db.rollback()
        return whole

    def unlogged_seals(self) -> list[Seal]:
        """Return roots that may not be in the log yet."""
        with self._named_errors(), self._readers.lend() as db:
            return frames.unlogged(db)

    def mark_logged(self, names: Sequence[str]) -> None:
        """Note that the log holds these roots."""
        with self._write_lock, self._named_errors(), self._transaction() as db:
            frames.mark_logged(db, names)

    def groups_received(self, received: float) -> list[StoredGroup]:
        """Return the groups of frames that were received at exactly that time: those that brought its readings."""
        with self._named_errors(), self._readers.lend() as db:
            return frames.received_at(db, received)

    def groups_sealed(self, name: str) -> list[StoredGroup]:
        """Return the groups under one root in the order of its leaves, without their frames."""
        with self._named_errors(), self._readers.lend() as db:
            return frames.sealed(db, name)

    def drop_frames_before(self, t: float, limit: int) -> int:
        """Let the bytes of frames go that came before `t`, of `limit` groups at most; hashes stay. Return how many."""
        with self._write_lock, self._named_errors(), self._transaction() as db:
            return db.execute(frames.DROP_FRAMES, (t, limit)).rowcount

    def erase(self, worn: Worn, limit: int) -> int:
        """Delete what a device measured on one person, bounded; see `TelemetryStore.erase`."""
        with self._write_lock, self._named_errors():
            with self._transaction() as db:
                gone = erasing.erase(db, worn, limit)
            if not gone:  # the log beside the file still holds old pages until it is folded in
                db.execute("pragma wal_checkpoint(truncate)")
        return gone

    def count_aged(self, what: Aged, t: float, spared: Iterable[int]) -> int:
        """Return how much is older than `t`; see `TelemetryStore.count_aged`."""
        with self._named_errors(), self._readers.lend() as db:
            return erasing.count_aged(db, what, t, list(spared))

    def drop_aged(self, what: Aged, t: float, spared: Iterable[int], limit: int) -> int:
        """Delete what is older than `t`, bounded; see `TelemetryStore.drop_aged`."""
        with self._write_lock, self._named_errors(), self._transaction() as db:
            return erasing.drop_aged(db, what, t, list(spared), limit)

    def close(self) -> None:
        """Close every connection."""
        self._readers.close()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _select(self, query: str, values: tuple[object, ...]) -> list[Reading]:
        with self._named_errors(), self._readers.lend() as db:
            return [Reading(*row) for row in db.execute(query, values)]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self._writer is None:
            self._writer = self._connect()
        db = self._writer
        db.execute("begin immediate")
        try:
            yield db
            if db.in_transaction:
                db.execute("commit")
        finally:
            if db.in_transaction:
                db.rollback()

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self._path, timeout=self._busy_timeout_s, isolation_level=None, check_same_thread=False)
        try:
            db.execute("pragma journal_mode=wal")
            db.execute("pragma synchronous=full")
            db.execute("pragma secure_delete=on")  # what is deleted is overwritten, and little ever is
            db.execute("pragma wal_autocheckpoint=4000")
            db.execute(f"pragma cache_size=-{CACHE_KIB}")
            db.executescript(SCHEMA + frames.SCHEMA)
            for table, column, form in LATER_COLUMNS:
                if all(there != column for _, there, *_ in db.execute(f"pragma table_info({table})")):
                    with contextlib.suppress(sqlite3.OperationalError):  # another process was faster
                        db.execute(f"alter table {table} add column {column} {form}")
        except BaseException:
            db.close()
            raise
        return db

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:  # locked, disk full, not writable
            raise StoreUnavailable(f"The telemetry store did not answer: {error}.") from error


def _block(row: Sequence[Any]) -> Waveform:
    device, metric, seq, t0, period_s, scale, samples = row
    return Waveform(device, metric, seq, t0, period_s, scale, np.frombuffer(samples, "<i2"))
