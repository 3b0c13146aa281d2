"""Telemetry in PostgreSQL: a group is inserted as if all of it were new, and only where it is not, row by row.

Round trips are what a commit waits for: each wakes the server and then this thread, and on a busy machine both wait
their turn. A small group therefore travels as one pipeline, from `begin` to `commit`.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.pq import TransactionStatus

from devices.errors import StoreUnavailable, WindowsMoved
from devices.telemetry import postgres_erasing as erasing
from devices.telemetry import postgres_frames as frames
from devices.telemetry import postgres_history as history
from devices.telemetry.batch import ReadingBatch, Span, StoredWindow, Waveform, newest, spans_of
from devices.telemetry.erasing import Aged, Worn
from devices.telemetry.frames import Seal, StoredGroup
from devices.telemetry.lanes import device_of, numbers_of, streams_of
from devices.telemetry.pgbinary import Array, bigints, copy_bytes, floats, register
from devices.telemetry.pool import Pool, is_quiet
from devices.telemetry.spans import SpanBook
from devices.telemetry.store import (
    LOCK_WITHIN_S,
    Reading,
    StoredCopy,
    StoredWaveform,
    Written,
    first_seen,
)

log = logging.getLogger(__name__)

Connection = psycopg.Connection[tuple[Any, ...]]
Cursor = psycopg.Cursor[tuple[Any, ...]]
Windows = Sequence[StoredWindow]
COLUMNS = "device, seq, metric, t, value, received"
SCHEMA_LOCK = 0x6D656474  # two processes that start at once must not both create the tables
PATHS_LOCK = 0x6D656470  # beside the number of a device that two processes may hear of at once

# 32-bit unsigned identifiers need bigint: PostgreSQL has no unsigned types.
SCHEMA = """
create table if not exists reading(
  device bigint not null, seq bigint not null, metric bigint not null, t double precision not null,
  value double precision not null, received double precision not null, primary key(device, seq));
create table if not exists span(
  bucket bigint not null, device bigint not null, first_seq bigint not null, last_seq bigint not null,
  primary key(bucket, device));
create table if not exists latest(
  device bigint not null, metric bigint not null, t double precision not null, seq bigint not null,
  value double precision not null, received double precision not null, primary key(device, metric));
create table if not exists waveform(
  device bigint not null, seq bigint not null, metric bigint not null, t0 double precision not null,
  period_s double precision not null, scale double precision not null, samples bytea not null,
  received double precision, primary key(device, seq));
do $$ begin if not exists (select from information_schema.columns where table_schema = current_schema()
  and table_name = 'waveform' and column_name = 'received')
  then alter table waveform add column received double precision; end if; end $$;
create index if not exists waveform_by_series on waveform(device, metric, t0);
create index if not exists waveform_by_time on waveform(t0);
create table if not exists replay(
  device bigint primary key, epoch bigint not null, high bigint not null, bitmap bigint not null);
create table if not exists copy(
  device bigint not null, seq bigint not null, copy bigint not null, received double precision not null,
  primary key(device, seq, copy));
"""
VERSION = hashlib.sha256((SCHEMA + frames.SCHEMA).encode()).hexdigest()[:16]
KEEP_VERSION = f"""create table if not exists telemetry_schema(version text primary key);
insert into telemetry_schema values('{VERSION}') on conflict do nothing;"""
# Nearly always every reading is new, and then a plain insert is the cheapest; where one is not, it fails as a whole.
INSERT_NEW = f"""insert into reading({COLUMNS}) select *, %b::float8
from unnest(%b::bigint[], %b::bigint[], %b::bigint[], %b::float8[], %b::float8[])"""  # noqa: S608
INSERT_UNSEEN = f"{INSERT_NEW} on conflict do nothing returning device, seq"
COPY_NEW = f"copy reading({COLUMNS}) from stdin (format binary)"
FEW_ROWS = 1000  # COPY needs two more round trips, but costs the server half as much per row

# The newest by (t, seq) wins: the same join as in memory, so that late data never replaces what is newer.
UPSERT_LATEST = """insert into latest(device, seq, metric, t, value, received)
select * from unnest(%b::bigint[], %b::bigint[], %b::bigint[], %b::float8[], %b::float8[], %b::float8[])
on conflict(device, metric)
do update set t=excluded.t, seq=excluded.seq, value=excluded.value, received=excluded.received
where (excluded.t, excluded.seq) > (latest.t, latest.seq)"""
# Readings are found by time through the sequence numbers in use then; see devices.telemetry.sqlite.
UPSERT_SPAN = """insert into span(bucket, device, first_seq, last_seq)
select * from unnest(%b::bigint[], %b::bigint[], %b::bigint[], %b::bigint[])
on conflict(bucket, device) do update
set first_seq=least(span.first_seq, excluded.first_seq), last_seq=greatest(span.last_seq, excluded.last_seq)
where excluded.first_seq < span.first_seq or excluded.last_seq > span.last_seq"""
UPSERT_REPLAY = """insert into replay(device, epoch, high, bitmap)
select * from unnest(%b::bigint[], %b::bigint[], %b::bigint[], %b::bigint[])
on conflict(device) do update set epoch=excluded.epoch, high=excluded.high, bitmap=excluded.bitmap"""
SELECT_REPLAY = "select device, epoch, high, bitmap from replay where device = any(%s::bigint[])"
# Fails, and the transaction with it, unless exactly the known windows are stored; holds them until the commit.
CHECK_REPLAY = """select 1 / (count(*) = cardinality(%b::bigint[]) and count(*) = count(same))::int from (
select nullif((stored.epoch, stored.high, stored.bitmap) = (known.epoch, known.high, known.bitmap), false) as same
from replay as stored
left join unnest(%b::bigint[], %b::bigint[], %b::bigint[], %b::bigint[]) as known(device, epoch, high, bitmap)
on known.device = stored.device where stored.device = any(%b::bigint[])
order by stored.device for update of stored) as held"""
INSERT_COPY = "insert into copy(device, seq, copy, received) values(%s,%s,%s,%s) on conflict do nothing"
# A number on the wire is unsigned; the second half of a lock's name is not.
HOLD = """select pg_advisory_xact_lock(%s, (device - (device >> 31 << 32))::int)
from unnest(%s::bigint[]) as device"""
INSERT_WAVEFORM = """insert into waveform(device, seq, metric, t0, period_s, scale, samples, received)
values(%s,%s,%s,%s,%s,%s,%s,%s) on conflict do nothing"""


class PostgresStore:
    """A `TelemetryStore` in a PostgreSQL database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._writer: Connection | None = None
        self._schema_ready = False
        self._readers: Pool[Connection] = Pool(self._connect, lives=_lives)
        self._spans = SpanBook()

    def write(self, batch: ReadingBatch, windows: Windows = (), known: Windows | None = None) -> Written:
        """Commit a group in one durable transaction and tell which rows were new; see `TelemetryStore.write`."""
        with self._lock, self._named_errors():
            db = self._writing()
            try:
                return self._write_new(db, batch, windows, known)
            except psycopg.errors.UniqueViolation:  # rare: something was sent twice, so ask for each row
                db.rollback()
                return self._write_unseen(db, batch, windows, known)
            except psycopg.errors.DivisionByZero as error:
                raise WindowsMoved from error
            finally:
                if db.info.transaction_status is not TransactionStatus.IDLE:
                    db.close()  # whatever it is in the middle of must not be committed with the next group

    def _write_new(self, db: Connection, batch: ReadingBatch, windows: Windows, known: Windows | None) -> Written:
        """Store readings that are all new. A small group is one round trip: each one more waits for its turn twice.

        Raises UniqueViolation when a reading is there already, DivisionByZero when a window moved: nothing is stored.
        """
        readings, many = batch.readings, len(batch.readings) > FEW_ROWS
        if many:
            db.execute("begin")
            with db.cursor().copy(COPY_NEW) as copy:
                copy.write(copy_bytes(readings, batch.received_at))
        with db.pipeline():
            if not many:
                db.execute("begin")
                _insert(db, INSERT_NEW, batch)
            spans, *rest = self._write_rest(db, batch, windows, known)
            db.execute("commit")
        self._spans.remember(spans)
        return Written(np.ones(len(readings), np.bool_), *map(_inserted, rest))

    def _write_unseen(self, db: Connection, batch: ReadingBatch, windows: Windows, known: Windows | None) -> Written:
        """Store those readings that are not there yet."""
        with db.transaction():
            inserted = _insert(db, INSERT_UNSEEN, batch)
            new = first_seen(batch.readings, ((row[0], row[1]) for row in inserted.fetchall()))
            stored = replace(batch, readings=batch.readings[new])  # what was not stored must not become `latest`
            spans, *rest = self._write_rest(db, stored, windows, known)
        self._spans.remember(spans)
        return Written(new, *map(_inserted, rest))

    def _write_rest(
        self, db: Connection, batch: ReadingBatch, windows: Windows, known: Windows | None
    ) -> tuple[list[Span], list[Cursor], list[Cursor]]:
        """Write what goes with the readings; return the spans stored, and the cursors of waveform blocks and copies."""
        tops = newest(batch.readings)
        if len(tops):
            db.execute(UPSERT_LATEST, (*_columns(tops), floats(np.full(len(tops), batch.received_at))))
        spans = self._spans.missing(spans_of(batch.readings))
        if spans:
            db.execute(UPSERT_SPAN, _transposed(spans, 4))
        if windows:
            moved = _transposed(windows, 4)
            if known is not None:
                before = _transposed(known, 4)
                db.execute(CHECK_REPLAY, (before[0], *before, moved[0]))
            db.execute(UPSERT_REPLAY, moved)
        for group in (batch.frames, batch.wave_frames):
            if group is not None:
                frames.insert_group(db, group, batch.received_at)
        blocks = [(*_block_values(block), batch.received_at) for block in batch.waveforms]
        stored = [db.execute(INSERT_WAVEFORM, values) for values in blocks]
        return spans, stored, [db.execute(INSERT_COPY, (*copy, batch.received_at)) for copy in batch.copies]

    def reading(self, device: int, seq: int) -> Reading | None:
        """Return one reading."""
        query = f"select {COLUMNS} from reading where device = %s and seq = %s"  # noqa: S608
        return next(iter(self._select(query, (device, seq))), None)

    def latest(self, device_ids: Iterable[int]) -> list[Reading]:
        """Return the newest reading, by (t, seq), of every metric of the devices."""
        query = f"select {COLUMNS} from latest where device = any(%s::bigint[]) order by device, metric"  # noqa: S608
        return self._select(query, (list(device_ids),))

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
        query = f"""select distinct bucket from span where bucket between %s and %s and device = any(%s::bigint[])
            order by bucket {"desc" if newest_first else "asc"} limit %s"""  # noqa: S608
        with self._named_errors(), self._readers.lend() as db:
            return [bucket for (bucket,) in db.execute(query, (first, last, streams_of(device_ids), limit))]

    def since(self, cursors: Mapping[int, int], limit: int) -> list[Reading]:
        """Return at most `limit` readings beyond the cursors of streams; see `TelemetryStore.since`."""
        query = f"""select r.* from unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
            as seen(stream, device, first, last) cross join lateral (
            select {COLUMNS} from reading where reading.device = seen.device
            and reading.seq between seen.first and seen.last
            order by reading.seq limit %s) as r order by seen.stream, r.seq limit %s"""  # noqa: S608
        rows = [
            (stream, device_of(stream), max(numbers_of(stream)[0], seq + 1), numbers_of(stream)[1])
            for stream, seq in cursors.items()
        ]
        return self._select(query, (*map(list, zip(*rows, strict=True)), limit, limit)) if rows else []

    def ends(self, streams: Iterable[int]) -> dict[int, int]:
        """Return the highest number in use of each stream; see `TelemetryStore.ends`."""
        query = "select max(seq) from reading where device = %s and seq between %s and %s"
        with self._named_errors(), self._readers.lend() as db:
            found = {
                stream: db.execute(query, (device_of(stream), *numbers_of(stream))).fetchone() for stream in streams
            }
        return {stream: row[0] for stream, row in found.items() if row is not None and row[0] is not None}

    def copies(self, device: int, seqs: Iterable[int]) -> list[StoredCopy]:
        """Return what other paths brought of these readings and blocks, in the order in which it came."""
        query = """select device, seq, copy, received from copy
            where device = %s and seq = any(%s::bigint[]) order by received, copy"""
        with self._named_errors(), self._readers.lend() as db:
            return [StoredCopy(*row) for row in db.execute(query, (device, list(seqs)))]

    @contextlib.contextmanager
    def hold(self, devices: Iterable[int]) -> Iterator[None]:
        """Keep other processes from deciding about these devices meanwhile; see `TelemetryStore.hold`."""
        with contextlib.ExitStack() as held:
            with self._named_errors():
                db = held.enter_context(self._readers.lend())
                held.enter_context(db.transaction())
                db.execute(f"set local lock_timeout = {int(LOCK_WITHIN_S * 1000)}")
                db.execute(HOLD, (PATHS_LOCK, sorted(devices)))  # in one order, so that two never wait for each other
            yield
            try:
                held.close()
            except psycopg.OperationalError as error:  # what was decided is stored: it must not count as refused
                log.warning("the lock of shared devices was lost: %s", error)

    def waveforms(self, device_id: int, metric: int, t_from: float, t_to: float) -> list[Waveform]:
        """Return blocks that begin in t_from <= t0 < t_to, ordered by t0."""
        query = """select device, metric, seq, t0, period_s, scale, samples from waveform
            where device = %s and metric = %s and t0 >= %s and t0 < %s order by t0, seq"""
        with self._named_errors(), self._readers.lend() as db:
            rows = db.execute(query, (device_id, metric, t_from, t_to)).fetchall()
        return [_block(row) for row in rows]

    def waveform(self, device: int, seq: int) -> StoredWaveform | None:
        """Return one block and when it came."""
        query = """select device, metric, seq, t0, period_s, scale, samples, received from waveform
            where device = %s and seq = %s"""
        with self._named_errors(), self._readers.lend() as db:
            row = db.execute(query, (device, seq)).fetchone()
        return StoredWaveform(_block(row[:-1]), row[-1]) if row else None

    def replay_windows(self, device_ids: Iterable[int]) -> list[StoredWindow]:
        """Return the persisted replay windows of the devices that have one."""
        with self._named_errors(), self._readers.lend() as db:
            return [StoredWindow(*row) for row in db.execute(SELECT_REPLAY, (list(device_ids),))]

    def drop_waveforms_before(self, t: float, spared: Iterable[int] = ()) -> int:
        """Delete blocks before `t`, but for the spared devices; see `TelemetryStore.drop_waveforms_before`."""
        held = list(spared)
        with self._named_errors(), self._readers.lend() as db, db.transaction():
            if not held:
                db.execute(frames.DROP_WAVES, (t,))
            db.execute(erasing.DROP_BLOCK_COPIES, (t, held))
            return db.execute("delete from waveform where t0 < %s and device <> all(%s::bigint[])", (t, held)).rowcount

    def unsealed_groups(self, limit: int) -> list[StoredGroup]:
        """Return the oldest groups of frames that no root commits to, without their frames."""
        with self._named_errors(), self._readers.lend() as db:
            return frames.unsealed(db, limit)

    def seal_groups(self, seal: Seal, numbers: Sequence[int]) -> bool:
        """Note that a root commits to these groups; False, and nothing noted, when another process was faster."""
        with self._named_errors(), self._readers.lend() as db, db.transaction():
            whole = frames.seal(db, seal, numbers)
            if not whole:
                raise psycopg.Rollback
        return whole

    def unlogged_seals(self) -> list[Seal]:
        """Return roots that may not be in the log yet."""
        with self._named_errors(), self._readers.lend() as db:
            return frames.unlogged(db)

    def mark_logged(self, names: Sequence[str]) -> None:
        """Note that the log holds these roots."""
        with self._named_errors(), self._readers.lend() as db:
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
        with self._named_errors(), self._readers.lend() as db:
            return db.execute(frames.DROP_FRAMES, (t, limit)).rowcount

    def erase(self, worn: Worn, limit: int) -> int:
        """Delete what a device measured on one person, bounded; see `TelemetryStore.erase`."""
        with self._named_errors(), self._readers.lend() as db, db.transaction():
            return erasing.erase(db, worn, limit)

    def count_aged(self, what: Aged, t: float, spared: Iterable[int]) -> int:
        """Return how much is older than `t`; see `TelemetryStore.count_aged`."""
        with self._named_errors(), self._readers.lend() as db:
            return erasing.count_aged(db, what, t, list(spared))

    def drop_aged(self, what: Aged, t: float, spared: Iterable[int], limit: int) -> int:
        """Delete what is older than `t`, bounded; see `TelemetryStore.drop_aged`."""
        with self._named_errors(), self._readers.lend() as db, db.transaction():
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

    def _writing(self) -> Connection:
        if self._writer is None or self._writer.closed or self._writer.broken:
            self._writer = self._connect()
            register(self._writer)
        return self._writer

    def _connect(self) -> Connection:
        db: Connection = psycopg.connect(self._url, autocommit=True, connect_timeout=5, application_name="medtwin")
        try:
            self._make_schema(db)
        except BaseException:
            db.close()
            raise
        return db

    def _make_schema(self, db: Connection) -> None:
        if self._schema_ready:
            return
        if not _has_schema(db):
            with db.transaction():
                db.execute("select pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
                db.execute(SCHEMA + frames.SCHEMA + KEEP_VERSION)
        self._schema_ready = True

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.OperationalError as error:  # gone, locked, out of space or connections
            if self._writer is not None and self._writer.broken:
                self._writer.close()
            raise StoreUnavailable(f"The telemetry store did not answer: {type(error).__name__}.") from error


def _lives(db: Connection) -> bool:
    """Tell whether the server has not ended an idle connection. Asking the server itself would be a round trip."""
    return not db.closed and is_quiet(db.fileno())


def _has_schema(db: Connection) -> bool:
    """Tell whether the tables are there as this version wants them.

    Making sure by the statements themselves would lock tables that another process writes to: a deadlock.
    """
    found = db.execute("select to_regclass('telemetry_schema')").fetchone()
    if found is None or found[0] is None:
        return False
    return db.execute("select from telemetry_schema where version = %s", (VERSION,)).fetchone() is not None


def _insert(db: Connection, query: str, batch: ReadingBatch) -> Cursor:
    return db.execute(query, (batch.received_at, *_columns(batch.readings)))


def _columns(readings: NDArray[np.void]) -> list[Array]:
    whole: list[Array] = [bigints(readings[name]) for name in ("device", "seq", "metric")]
    return [*whole, floats(readings["t"]), floats(readings["value"])]


def _transposed(rows: Sequence[tuple[int, ...]], width: int) -> list[Array]:
    """Return rows of whole numbers as `width` columns."""
    table = np.array(rows, np.int64).reshape(-1, width)
    return [bigints(column) for column in table.T]


def _block(row: Sequence[Any]) -> Waveform:
    device, metric, seq, t0, period_s, scale, samples = row
    return Waveform(device, metric, seq, t0, period_s, scale, np.frombuffer(samples, "<i2"))


def _block_values(block: Waveform) -> tuple[object, ...]:
    samples = block.samples.astype("<i2").tobytes()
    return (block.device, block.seq, block.metric, block.t0, block.period_s, block.scale, samples)


def _inserted(cursors: Sequence[Cursor]) -> NDArray[np.bool_]:
    """Tell which of the finished INSERTs of one row found its place free."""
    return np.array([cursor.rowcount == 1 for cursor in cursors], np.bool_)
