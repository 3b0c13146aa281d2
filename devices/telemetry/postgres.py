"""Telemetry in PostgreSQL: binary COPY of a group to a staging table, then one INSERT that ignores what is there."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from devices.errors import StoreUnavailable, WindowsMoved
from devices.telemetry.batch import BUCKET_S, ReadingBatch, StoredWindow, Waveform, newest, spans_of
from devices.telemetry.pool import Pool
from devices.telemetry.store import Reading, Written, bucket_width_s, first_seen

Connection = psycopg.Connection[tuple[Any, ...]]
COLUMNS = "device, seq, metric, t, value, received"
SCHEMA_LOCK = 0x6D656474  # two processes that start at once must not both create the tables

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
  primary key(device, seq));
create index if not exists waveform_by_series on waveform(device, metric, t0);
create index if not exists waveform_by_time on waveform(t0);
create table if not exists replay(
  device bigint primary key, epoch bigint not null, high bigint not null, bitmap bigint not null);
"""
STAGING = """create temporary table if not exists reading_staged(
  device bigint, seq bigint, metric bigint, t double precision, value double precision, received double precision)
  on commit delete rows"""
TAKE_STAGED = f"insert into reading({COLUMNS}) select {COLUMNS} from reading_staged on conflict do nothing"  # noqa: S608

# Emptying the staging table costs more than a small group does, so that these come as arrays.
FEW_ROWS = 1000
INSERT_FEW = f"""insert into reading({COLUMNS}) select *, %b::float8
from unnest(%b::bigint[], %b::bigint[], %b::bigint[], %b::float8[], %b::float8[]) on conflict do nothing"""  # noqa: S608

# The newest by (t, seq) wins: the same join as in memory, so that late data never replaces what is newer.
UPSERT_LATEST = """insert into latest(device, metric, seq, t, value, received)
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
LOCK_REPLAY = f"{SELECT_REPLAY} order by device for update"
INSERT_WAVEFORM = """insert into waveform(device, seq, metric, t0, period_s, scale, samples)
values(%s,%s,%s,%s,%s,%s,%s) on conflict do nothing"""

# PostgreSQL's binary COPY format: a header, then per row the number of columns and each column's length and bytes.
COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TAIL = b"\xff\xff"
COPY_ROW = np.dtype(
    [("columns", ">i2")]
    + [
        part
        for name, kind in (
            ("device", ">i8"),
            ("seq", ">i8"),
            ("metric", ">i8"),
            ("t", ">f8"),
            ("value", ">f8"),
            ("received", ">f8"),
        )
        for part in ((f"{name}_bytes", ">i4"), (name, kind))
    ]
)


def copy_bytes(readings: NDArray[np.void], received: float) -> bytes:
    """Return the group in binary COPY format without making a Python object per reading."""
    rows = np.empty(len(readings), COPY_ROW)
    rows["columns"] = 6
    for name in ("device", "seq", "metric", "t", "value", "received"):
        rows[f"{name}_bytes"] = 8
        rows[name] = received if name == "received" else readings[name]
    return COPY_HEAD + rows.tobytes() + COPY_TAIL


class PostgresStore:
    """A `TelemetryStore` in a PostgreSQL database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._writer: Connection | None = None
        self._schema_ready = False
        self._readers: Pool[Connection] = Pool(self._connect)

    def write(
        self, batch: ReadingBatch, windows: Sequence[StoredWindow] = (), known: Sequence[StoredWindow] | None = None
    ) -> Written:
        """Commit a group in one durable transaction and tell which rows were new; see `TelemetryStore.write`."""
        with self._lock, self._named_errors():
            db = self._writing()
            with db.transaction():
                self._check(db, windows, known)
                if self._insert(db, batch).rowcount != len(batch.readings):
                    raise psycopg.Rollback
                return Written(np.ones(len(batch.readings), np.bool_), self._write_rest(db, batch, windows))
            with db.transaction():  # rare: something was sent twice, so ask for each row
                self._check(db, windows, known)
                inserted = self._insert(db, batch, " returning device, seq").fetchall()
                new = first_seen(batch.readings, ((row[0], row[1]) for row in inserted))
                stored = replace(batch, readings=batch.readings[new])  # what was not stored must not become `latest`
                return Written(new, self._write_rest(db, stored, windows))

    @staticmethod
    def _check(db: Connection, windows: Sequence[StoredWindow], known: Sequence[StoredWindow] | None) -> None:
        """Keep other processes from moving these windows until the commit; raise WindowsMoved when one already did."""
        if known is not None and windows:
            rows = db.execute(LOCK_REPLAY, ([window.device for window in windows],)).fetchall()
            if set(rows) != set(known):
                raise WindowsMoved

    @staticmethod
    def _insert(db: Connection, batch: ReadingBatch, returning: str = "") -> psycopg.Cursor[tuple[Any, ...]]:
        readings = batch.readings
        if len(readings) <= FEW_ROWS:
            columns = [readings[name].tolist() for name in ("device", "seq", "metric", "t", "value")]
            return db.execute(INSERT_FEW + returning, (batch.received_at, *columns))
        with db.cursor().copy("copy reading_staged from stdin (format binary)") as copy:
            copy.write(copy_bytes(readings, batch.received_at))
        return db.execute(TAKE_STAGED + returning)

    @staticmethod
    def _write_rest(db: Connection, batch: ReadingBatch, windows: Sequence[StoredWindow]) -> NDArray[np.bool_]:
        tops = newest(batch.readings)
        if len(tops):
            columns = [tops[name].tolist() for name in ("device", "metric", "seq", "t", "value")]
            db.execute(UPSERT_LATEST, (*columns, [batch.received_at] * len(tops)))
            db.execute(UPSERT_SPAN, [list(column) for column in zip(*spans_of(batch.readings), strict=True)])
        if windows:
            db.execute(UPSERT_REPLAY, [list(column) for column in zip(*windows, strict=True)])
        new = np.zeros(len(batch.waveforms), np.bool_)
        for row, block in enumerate(batch.waveforms):
            values = (block.device, block.seq, block.metric, block.t0, block.period_s, block.scale)
            samples = block.samples.astype("<i2").tobytes()
            new[row] = db.execute(INSERT_WAVEFORM, (*values, samples)).rowcount == 1
        return new

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
        found = f"""select {", ".join(f"r.{name}" for name in COLUMNS.split(", "))} from span cross join lateral (
            select * from reading where reading.device = span.device
            and reading.seq between span.first_seq and span.last_seq and reading.metric = any(%s::bigint[])
            and reading.t >= greatest(%s, span.bucket * {BUCKET_S})
            and reading.t < least(%s, (span.bucket + 1) * {BUCKET_S})) as r
            where span.bucket between %s and %s and span.device = any(%s::bigint[])"""  # noqa: S608
        buckets = (math.floor(t_from) // BUCKET_S, math.floor(t_to) // BUCKET_S)
        values = (list(metric_codes), t_from, t_to, *buckets, list(device_ids))
        if max_points is None:
            return self._select(f"{found} order by r.device, r.metric, r.t, r.seq", values)
        extremes = " union ".join(
            f"(select distinct on (device, metric, part) {COLUMNS} from parted"  # noqa: S608
            f" order by device, metric, part, value {direction})"
            for direction in ("asc", "desc")
        )
        query = f"""with found as ({found}), parted as (select *, floor((t - %s) / %s) as part from found)
            select * from ({extremes}) as kept order by device, metric, t, seq"""  # noqa: S608
        return self._select(query, (*values, t_from, bucket_width_s(t_from, t_to, max_points)))

    def since(self, cursors: Mapping[int, int], limit: int) -> list[Reading]:
        """Return at most `limit` readings with seq > cursors[device], ordered by device and seq."""
        query = f"""select r.* from unnest(%s::bigint[], %s::bigint[]) as seen(device, seq) cross join lateral (
            select {COLUMNS} from reading where reading.device = seen.device and reading.seq > seen.seq
            order by reading.seq limit %s) as r order by r.device, r.seq limit %s"""  # noqa: S608
        return self._select(query, (list(cursors.keys()), list(cursors.values()), limit, limit))

    def waveforms(self, device_id: int, metric: int, t_from: float, t_to: float) -> list[Waveform]:
        """Return blocks that begin in t_from <= t0 < t_to, ordered by t0."""
        query = """select device, metric, seq, t0, period_s, scale, samples from waveform
            where device = %s and metric = %s and t0 >= %s and t0 < %s order by t0, seq"""
        with self._named_errors(), self._readers.lend() as db:
            rows = db.execute(query, (device_id, metric, t_from, t_to)).fetchall()
        return [
            Waveform(device, code, seq, t0, period_s, scale, np.frombuffer(raw, "<i2"))
            for device, code, seq, t0, period_s, scale, raw in rows
        ]

    def replay_windows(self, device_ids: Iterable[int]) -> list[StoredWindow]:
        """Return the persisted replay windows of the devices that have one."""
        with self._named_errors(), self._readers.lend() as db:
            return [StoredWindow(*row) for row in db.execute(SELECT_REPLAY, (list(device_ids),))]

    def drop_waveforms_before(self, t: float) -> int:
        """Delete blocks that begin before `t` (readings stay) and return how many."""
        with self._named_errors(), self._readers.lend() as db:
            return db.execute("delete from waveform where t0 < %s", (t,)).rowcount

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
            self._writer.execute(STAGING)
        return self._writer

    def _connect(self) -> Connection:
        db: Connection = psycopg.connect(self._url, autocommit=True, connect_timeout=5, application_name="medtwin")
        if not self._schema_ready:
            with db.transaction():
                db.execute("select pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
                db.execute(SCHEMA)
            self._schema_ready = True
        return db

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.OperationalError as error:  # gone, locked, out of space or connections
            if self._writer is not None and self._writer.broken:
                self._writer.close()
            raise StoreUnavailable(f"The telemetry store did not answer: {type(error).__name__}.") from error
