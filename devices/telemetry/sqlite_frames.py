"""Groups of sealed frames in the telemetry file: what `SqliteStore` writes and reads of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from devices.telemetry.frames import FrameGroup, Seal, StoredGroup, read_group

SCHEMA = """
create table if not exists frame_group(
  number integer primary key autoincrement, received real not null, seal text, entries blob not null,
  hashes blob not null, sessions blob not null, frames blob, heard blob);
create index if not exists frame_group_by_time on frame_group(received);
create index if not exists frame_group_unsealed on frame_group(number) where seal is null;
create index if not exists frame_group_whole on frame_group(received) where frames is not null;
create index if not exists frame_group_by_seal on frame_group(seal) where seal is not null;
create table if not exists frame_seal(
  name text primary key, root blob not null, frames integer not null, first_received real not null,
  last_received real not null, logged integer not null default 0) without rowid;
create index if not exists frame_seal_unlogged on frame_seal(name) where logged = 0;
"""
INSERT_GROUP = "insert into frame_group(received, entries, hashes, sessions, frames, heard) values(?,?,?,?,?,?)"
INSERT_SEAL = "insert into frame_seal(name, root, frames, first_received, last_received) values(?,?,?,?,?)"
# Of a sealed group only what its root was made from; the frames are large.
LEAN = "number, received, seal, entries, hashes, sessions, null, heard"
WHOLE = "number, received, seal, entries, hashes, sessions, frames, heard"
DROP_FRAMES = """update frame_group set frames = null where number in (
select number from frame_group where received < ? and frames <> x'00' order by received limit ?)"""
# Hashes of waveforms are under roots of their own, and without the samples they prove nothing any more.
DROP_WAVES = "delete from frame_group where received < ? and frames = x'00' and seal is not null"


def insert_group(db: sqlite3.Connection, group: FrameGroup, received: float) -> None:
    """Store a group inside the transaction that stores its readings."""
    heard = group.heard.tobytes() or None
    values = (received, group.entries.tobytes(), group.hashes, group.sessions, group.frames, heard)
    db.execute(INSERT_GROUP, values)


def unsealed(db: sqlite3.Connection, limit: int) -> list[StoredGroup]:
    """Return the oldest groups that no root commits to."""
    query = f"select {LEAN} from frame_group where seal is null order by number limit ?"  # noqa: S608
    return _groups(db.execute(query, (limit,)))


def seal(db: sqlite3.Connection, made: Seal, numbers: Sequence[int]) -> bool:
    """Note inside a transaction that a root commits to these groups; False when another process was faster."""
    db.execute(INSERT_SEAL, made)
    marked = db.executemany(
        "update frame_group set seal = ? where number = ? and seal is null", [(made.name, number) for number in numbers]
    )
    return marked.rowcount == len(numbers)


def unlogged(db: sqlite3.Connection) -> list[Seal]:
    """Return roots that may not be in the log yet."""
    columns = "name, root, frames, first_received, last_received"
    return [Seal(*row) for row in db.execute(f"select {columns} from frame_seal where logged = 0")]  # noqa: S608


def mark_logged(db: sqlite3.Connection, names: Iterable[str]) -> None:
    """Note that the log holds these roots."""
    db.executemany("update frame_seal set logged = 1 where name = ?", [(name,) for name in names])


def received_at(db: sqlite3.Connection, received: float) -> list[StoredGroup]:
    """Return the groups that were received at exactly that time, with their frames."""
    query = f"select {WHOLE} from frame_group where received = ? order by number"  # noqa: S608
    return _groups(db.execute(query, (received,)))


def sealed(db: sqlite3.Connection, name: str) -> list[StoredGroup]:
    """Return the groups under one root in the order of its leaves, without their frames."""
    query = f"select {LEAN} from frame_group where seal = ? order by number"  # noqa: S608
    return _groups(db.execute(query, (name,)))


def _groups(rows: Iterable[tuple[Any, ...]]) -> list[StoredGroup]:
    return [StoredGroup(number, received, name, read_group(*blobs)) for number, received, name, *blobs in rows]
