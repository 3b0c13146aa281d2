"""The file under the queue: its tables, how older files become newer ones, who may use it, and how it stays small.

Bound: the pages that are in use never exceed `max_bytes`. Up to seven eighths of them hold anything; the last eighth is
for dose events alone. What has to go goes in the order of `GIVEN_UP`, oldest first. A dose event never goes.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from compliance.errors import DomainError
from devices.errors import FrameError, ReadingError
from devices.kinds.registry import Urgency, urgency_of
from devices.protocol.frames import FrameKind, metrics_of

VERSION = 1
LEAST_BYTES = 1 << 20
JOURNAL_BYTES = 4 << 20  # what the journal beside the file may keep
CACHE_KIB = 512  # of pages in memory; SQLite would take 2 MiB once an outage has filled the file
CHUNK_PART = 32  # of the bound: what is written or deleted between two looks at the room
GIVEN_UP = tuple(
    (urgency, table)
    for urgency in (Urgency.BULK, Urgency.TELEMETRY, Urgency.URGENT, Urgency.ALARM)
    for table in ("dead", "batch")
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS batch (
    id INTEGER PRIMARY KEY AUTOINCREMENT, device INTEGER NOT NULL, kind INTEGER NOT NULL, payload BLOB NOT NULL,
    made REAL NOT NULL);
CREATE TABLE IF NOT EXISTS dead (
    id INTEGER PRIMARY KEY, device INTEGER NOT NULL, kind INTEGER NOT NULL, payload BLOB NOT NULL,
    made REAL NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS device (
    id INTEGER PRIMARY KEY, next_seq INTEGER NOT NULL, next_block INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS dropped (id INTEGER PRIMARY KEY CHECK (id = 1), batches INTEGER NOT NULL);
INSERT OR IGNORE INTO dropped VALUES (1, 0);
"""
# From version 0 to 1: everything gets an urgency, and what was dropped is counted for each.
_URGENCIES = """
DROP INDEX IF EXISTS batch_by_kind;
ALTER TABLE batch ADD COLUMN urgency INTEGER NOT NULL DEFAULT 4;
ALTER TABLE dead ADD COLUMN urgency INTEGER NOT NULL DEFAULT 4;
CREATE INDEX batch_by_urgency ON batch (urgency, id);
CREATE INDEX dead_by_urgency ON dead (urgency, id);
CREATE TABLE lost (urgency INTEGER PRIMARY KEY, batches INTEGER NOT NULL);
INSERT INTO lost SELECT 5, batches FROM dropped WHERE batches > 0;
DROP TABLE dropped;
"""


Lost = Counter[tuple[Urgency, int]]  # (urgency, device) -> batches that were given up


class QueueUnusable(DomainError):
    """The queue's file cannot be opened or written."""

    code = "gateway_queue_unusable"


class ClassDepth(NamedTuple):
    """How much of one urgency waits. oldest_s: age of the oldest, 0 when none waits. dropped: batches, ever."""

    waiting: int
    oldest_s: float
    dropped: int


class Depth(NamedTuple):
    """How full the queue is. oldest_s: age of the oldest waiting batch. used_bytes: pages in use.

    doses_only: hardly anything is left that could make room, so that only dose events stay.
    """

    waiting: int
    oldest_s: float
    dead: int
    dropped: int
    classes: dict[Urgency, ClassDepth]
    used_bytes: int
    doses_only: bool


def open_file(path: Path, max_bytes: int) -> sqlite3.Connection:
    """Return the open file in its newest form. Raises QueueUnusable for a newer one, sqlite3.Error, OSError."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute(f"PRAGMA journal_size_limit={JOURNAL_BYTES}")
        db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        _bring_up_to_date(db, path.name)
        db.execute(f"PRAGMA max_page_count={max_bytes // _page_bytes(db)}")
    except BaseException:
        db.close()
        raise
    return db


def _bring_up_to_date(db: sqlite3.Connection, name: str) -> None:
    version = _number(db, "user_version")
    if version > VERSION:
        raise QueueUnusable(f"the queue {name} was made by a newer gateway (form {version}, known is {VERSION})")
    if version == VERSION:
        return
    try:
        db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} {_URGENCIES}")
        for table in ("batch", "dead"):
            _judge_old(db, table)
        db.execute(f"PRAGMA user_version={VERSION}")
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _judge_old(db: sqlite3.Connection, table: str) -> None:
    """Give every batch of an older file the urgency of what it holds."""
    rows = db.execute(f"SELECT id, kind, payload FROM {table}")  # noqa: S608
    judged = [(_urgency_of(kind, payload), number) for number, kind, payload in rows]
    db.executemany(f"UPDATE {table} SET urgency = ? WHERE id = ?", judged)  # noqa: S608


def _urgency_of(kind: int, payload: bytes) -> Urgency:
    if kind == FrameKind.WAVEFORM:
        return Urgency.BULK
    try:
        return urgency_of(metrics_of(payload))
    except (FrameError, ReadingError):
        return Urgency.TELEMETRY


def keep_within(db: sqlite3.Connection, max_bytes: int) -> Lost:
    """Delete what is least urgent, oldest first, until dose events have their room again; return what went.

    Runs inside the caller's transaction. A little more goes than must, so that not every append pays for a search.
    """
    soft = common_bytes(max_bytes)
    gone: Lost = Counter()
    if used_bytes(db) <= soft:
        return gone
    for urgency, table in GIVEN_UP:
        while (excess := used_bytes(db) - (soft - soft // 64)) > 0:
            deleted = _delete_oldest(db, urgency, table, min(excess, max_bytes // CHUNK_PART))
            if not deleted:
                break
            gone.update((urgency, device) for device in deleted)
    note_lost(db, gone)
    return gone


def note_lost(db: sqlite3.Connection, gone: Lost) -> None:
    """Count batches that were given up."""
    for (urgency, _), batches in gone.items():
        db.execute(
            "INSERT INTO lost VALUES (?, ?) ON CONFLICT (urgency) DO UPDATE SET batches = batches + excluded.batches",
            (urgency, batches),
        )


def _delete_oldest(db: sqlite3.Connection, urgency: Urgency, table: str, wanted_bytes: int) -> list[int]:
    """Delete the oldest of one urgency, about that many bytes of them; return the device of each row that went."""
    ids, devices, found = [], [], 0
    query = f"SELECT id, device, length(payload) FROM {table} WHERE urgency = ? ORDER BY id"  # noqa: S608
    for number, device, size in db.execute(query, (urgency,)):
        ids.append((number,))
        devices.append(device)
        found += size
        if found >= wanted_bytes:
            break
    db.executemany(f"DELETE FROM {table} WHERE id = ?", ids)  # noqa: S608
    return devices


def common_bytes(max_bytes: int) -> int:
    """Return what everything together may use; the rest is for dose events."""
    return max_bytes - max_bytes // 8


def used_bytes(db: sqlite3.Connection) -> int:
    """Return the bytes of the pages that hold something; what was freed is used again before the file grows."""
    return (_number(db, "page_count") - _number(db, "freelist_count")) * _page_bytes(db)


def _page_bytes(db: sqlite3.Connection) -> int:
    return _number(db, "page_size")


def _number(db: sqlite3.Connection, pragma: str) -> int:
    return int(db.execute(f"PRAGMA {pragma}").fetchone()[0])


def depth_of(db: sqlite3.Connection, now: float, max_bytes: int) -> Depth:
    """Return how full the file is; now: s since the Unix epoch."""
    lost = {Urgency(urgency): batches for urgency, batches in db.execute("SELECT urgency, batches FROM lost")}
    classes = {}
    for urgency in Urgency:  # one search in the index each: a single GROUP BY would read every row
        waiting, oldest = db.execute("SELECT count(*), min(id) FROM batch WHERE urgency = ?", (urgency,)).fetchone()
        made = db.execute("SELECT made FROM batch WHERE id = ?", (oldest,)).fetchone() if waiting else (now,)
        classes[urgency] = ClassDepth(waiting, max(0.0, now - made[0]), lost.get(urgency, 0))
    used, soft = used_bytes(db), common_bytes(max_bytes)
    query = "SELECT sum(length(payload)) FROM (SELECT payload FROM batch WHERE urgency > ? LIMIT 1000)"
    evictable = db.execute(query, (Urgency.DOSE,)).fetchone()[0] or 0
    return Depth(
        waiting=sum(one.waiting for one in classes.values()),
        oldest_s=max(one.oldest_s for one in classes.values()),
        dead=db.execute("SELECT count(*) FROM dead").fetchone()[0],
        dropped=sum(lost.values()),
        classes=classes,
        used_bytes=used,
        doses_only=used > soft - soft // 32 and evictable < soft // 32,
    )


def read_depth(path: Path, now: float, max_bytes: int) -> Depth:
    """Return how full a queue is, without disturbing the gateway that uses it. Raises QueueUnusable."""
    try:
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            if (version := _number(db, "user_version")) != VERSION:
                raise QueueUnusable(f"the queue {path.name} has form {version}, not {VERSION}: start its gateway once")
            db.execute("BEGIN")  # one moment for all that is asked: the gateway sends and deletes meanwhile
            return depth_of(db, now, max_bytes)
        finally:
            db.close()
    except sqlite3.Error as error:
        raise QueueUnusable(f"cannot read the queue {path.name}: {error}") from error


def only_one(path: Path) -> int:
    """Lock the queue for this process and make its files private; return the lock's descriptor.

    Two gateways on one queue would give the same sequence numbers to different readings.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    guard = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(guard)
        raise QueueUnusable(f"another gateway already uses the queue {path.name}") from error
    return guard
