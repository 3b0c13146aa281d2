"""Groups of sealed frames in PostgreSQL: what `PostgresStore` writes and reads of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from devices.telemetry.frames import FrameGroup, Seal, StoredGroup, read_group

Connection = psycopg.Connection[tuple[Any, ...]]

# Sealed bytes do not compress: the server must not try.
SCHEMA = """
create table if not exists frame_group(
  number bigserial primary key, received double precision not null, seal uuid, entries bytea not null,
  hashes bytea not null, sessions bytea not null, frames bytea, heard bytea);
alter table frame_group add column if not exists heard bytea;
alter table frame_group alter column frames set storage external;
alter table frame_group alter column hashes set storage external;
create index if not exists frame_group_by_time on frame_group(received);
create index if not exists frame_group_unsealed on frame_group(number) where seal is null;
create index if not exists frame_group_whole on frame_group(received) where frames is not null;
create index if not exists frame_group_by_seal on frame_group(seal) where seal is not null;
create table if not exists frame_seal(
  name uuid primary key, root bytea not null, frames bigint not null, first_received double precision not null,
  last_received double precision not null, logged boolean not null default false);
create index if not exists frame_seal_unlogged on frame_seal(name) where not logged;
"""
INSERT_GROUP = "insert into frame_group(received, entries, hashes, sessions, frames, heard) values(%b,%b,%b,%b,%b,%b)"
INSERT_SEAL = "insert into frame_seal(name, root, frames, first_received, last_received) values(%s,%s,%s,%s,%s)"
# Of a sealed group only what its root was made from; the frames are large.
LEAN = "number, received, seal::text, entries, hashes, sessions, null::bytea, heard"
WHOLE = "number, received, seal::text, entries, hashes, sessions, frames, heard"
DROP_FRAMES = """update frame_group set frames = null where number in (
select number from frame_group where received < %s and frames <> '\\x00'::bytea order by received limit %s)"""
# Hashes of waveforms are under roots of their own, and without the samples they prove nothing any more.
DROP_WAVES = "delete from frame_group where received < %s and frames = '\\x00'::bytea and seal is not null"


def insert_group(db: Connection, group: FrameGroup, received: float) -> None:
    """Store a group inside the transaction that stores its readings."""
    heard = group.heard.tobytes() or None
    values = (received, group.entries.tobytes(), group.hashes, group.sessions, group.frames, heard)
    db.execute(INSERT_GROUP, values)


def unsealed(db: Connection, limit: int) -> list[StoredGroup]:
    """Return the oldest groups that no root commits to."""
    query = f"select {LEAN} from frame_group where seal is null order by number limit %s"  # noqa: S608
    return _groups(db.execute(query, (limit,)))


def seal(db: Connection, made: Seal, numbers: Sequence[int]) -> bool:
    """Note inside a transaction that a root commits to these groups; False when another process was faster."""
    db.execute(INSERT_SEAL, made)
    query = "update frame_group set seal = %s where number = any(%s::bigint[]) and seal is null"
    return db.execute(query, (made.name, list(numbers))).rowcount == len(numbers)


def unlogged(db: Connection) -> list[Seal]:
    """Return roots that may not be in the log yet."""
    columns = "name::text, root, frames, first_received, last_received"
    rows = db.execute(f"select {columns} from frame_seal where not logged")  # noqa: S608
    return [Seal(*row) for row in rows]


def mark_logged(db: Connection, names: Iterable[str]) -> None:
    """Note that the log holds these roots."""
    db.execute("update frame_seal set logged = true where name = any(%s::uuid[])", (list(names),))


def received_at(db: Connection, received: float) -> list[StoredGroup]:
    """Return the groups that were received at exactly that time, with their frames."""
    query = f"select {WHOLE} from frame_group where received = %s order by number"  # noqa: S608
    return _groups(db.execute(query, (received,)))


def sealed(db: Connection, name: str) -> list[StoredGroup]:
    """Return the groups under one root in the order of its leaves, without their frames."""
    query = f"select {LEAN} from frame_group where seal = %s order by number"  # noqa: S608
    return _groups(db.execute(query, (name,)))


def _groups(rows: Iterable[tuple[Any, ...]]) -> list[StoredGroup]:
    return [StoredGroup(number, received, name, read_group(*blobs)) for number, received, name, *blobs in rows]
