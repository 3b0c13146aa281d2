"""The queue on disk: every batch stays here until the server has acknowledged it.

One SQLite file in WAL mode with `synchronous=FULL`: what `append` returned from survives a power failure. Payloads are
kept unsealed, because a frame that is sent again is sealed again under a new counter; only its owner can read the file.

Two numbers must never repeat, whatever happens to process, power or disk:

- `seq`, by which the server drops duplicates: stored in the transaction that stores the readings themselves;
- the frame counter, which is the nonce: reserved in blocks, in a transaction that ends before the first one is used.

In a new file both begin at the time in milliseconds, so that losing the file repeats neither. Counters also leap to the
time at every start, so that a file restored from a backup repeats no nonce.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from compliance.errors import DomainError
from devices.protocol.frames import FrameKind

COUNTER_BLOCK = 1024
MAX_DEAD_LETTERS = 10_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS batch (
    id INTEGER PRIMARY KEY AUTOINCREMENT, device INTEGER NOT NULL, kind INTEGER NOT NULL, payload BLOB NOT NULL,
    made REAL NOT NULL);
CREATE INDEX IF NOT EXISTS batch_by_kind ON batch (kind, id);
CREATE TABLE IF NOT EXISTS dead (
    id INTEGER PRIMARY KEY, device INTEGER NOT NULL, kind INTEGER NOT NULL, payload BLOB NOT NULL,
    made REAL NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS device (
    id INTEGER PRIMARY KEY, next_seq INTEGER NOT NULL, next_block INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS dropped (id INTEGER PRIMARY KEY CHECK (id = 1), batches INTEGER NOT NULL);
INSERT OR IGNORE INTO dropped VALUES (1, 0);
"""


class QueueUnusable(DomainError):
    """The queue's file cannot be opened or written."""

    code = "gateway_queue_unusable"


class Batch(NamedTuple):
    """One frame's worth of readings, not yet sealed."""

    device: int
    kind: FrameKind
    payload: bytes
    id: int = 0  # given by the queue


class Depth(NamedTuple):
    """How full the queue is. oldest_s: age of the oldest waiting batch, 0 when none waits."""

    waiting: int
    oldest_s: float
    dead: int
    dropped: int


class DiskQueue:
    """Thread-safe: the collector appends from its thread while the link takes and removes."""

    def __init__(self, path: Path, device_ids: Iterable[int], *, max_batches: int = 200_000) -> None:
        self._lock = threading.RLock()
        self._max_batches = max_batches
        self._counters: dict[int, range] = {}
        try:
            self._guard = _only_one(path)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
            self._count: int = self._db.execute("SELECT count(*) FROM batch").fetchone()[0]
            self._begin(device_ids)
        except (sqlite3.Error, OSError) as error:
            raise QueueUnusable(f"cannot open the queue {path.name}: {error}") from error

    def _begin(self, device_ids: Iterable[int]) -> None:
        floor = int(time.time() * 1000)
        with self._transaction():
            self._db.executemany(
                "INSERT INTO device VALUES (?1, ?2, ?2) ON CONFLICT (id) DO UPDATE SET"
                " next_block = max(next_block, excluded.next_block)",
                [(device, floor) for device in device_ids],
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Do all of it or nothing. Raises QueueUnusable when the disk is full or fails."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise QueueUnusable(f"cannot write the queue: {error}") from error
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def next_seqs(self) -> dict[int, int]:
        """Return device id -> the first sequence number that was never used."""
        with self._lock:
            return dict(self._db.execute("SELECT id, next_seq FROM device"))

    def append(self, batches: Sequence[Batch], next_seqs: Mapping[int, int], *, made: float | None = None) -> None:
        """Store batches and the sequence numbers that follow them, both or neither, and only then return.

        A full queue makes room: its oldest waveform blocks go first, then its oldest readings; what went is counted.
        Raises QueueUnusable when the disk is full or fails; nothing was stored then.
        """
        at = time.time() if made is None else made
        with self._lock:
            with self._transaction():
                self._db.executemany(
                    "INSERT INTO batch (device, kind, payload, made) VALUES (?, ?, ?, ?)",
                    [(batch.device, batch.kind, batch.payload, at) for batch in batches],
                )
                self._db.executemany(
                    "UPDATE device SET next_seq = ?2 WHERE id = ?1 AND next_seq < ?2", list(next_seqs.items())
                )
                lost = self._make_room(self._count + len(batches) - self._max_batches)
            self._count += len(batches) - lost

    def _make_room(self, excess: int) -> int:
        """Delete at least `excess` batches and return how many; some more go, since finding the oldest is a scan."""
        if excess <= 0:
            return 0
        # A lost second of ECG hurts less than a lost pump event.
        gone = self._db.execute(
            "DELETE FROM batch WHERE id IN (SELECT id FROM batch ORDER BY kind = ? DESC, id LIMIT ?)",
            (FrameKind.WAVEFORM, excess + self._max_batches // 100),
        ).rowcount
        self._db.execute("UPDATE dropped SET batches = batches + ?", (gone,))
        return gone

    def after(self, batch_id: int, limit: int) -> list[Batch]:
        """Return up to `limit` waiting batches with a higher id, oldest first."""
        return self._select("WHERE id > ? ORDER BY id LIMIT ?", (batch_id, limit))

    def get(self, ids: Sequence[int]) -> list[Batch]:
        """Return those of the named batches that still wait."""
        return [batch for one in ids for batch in self._select("WHERE id = ?", (one,))]

    def _select(self, where: str, values: tuple[int, ...]) -> list[Batch]:
        with self._lock:
            rows = self._db.execute("SELECT device, kind, payload, id FROM batch " + where, values)  # noqa: S608
            return [Batch(device, FrameKind(kind), payload, number) for device, kind, payload, number in rows]

    def take_counter(self, device: int) -> int:
        """Return a frame counter that this device never used before under any key; durable before it is returned."""
        with self._lock:
            block = self._counters.get(device, range(0))
            if not block:
                block = self._reserve(device)
            self._counters[device] = block[1:]
            return block[0]

    def _reserve(self, device: int) -> range:
        with self._transaction():
            row = self._db.execute(
                "UPDATE device SET next_block = next_block + ? WHERE id = ? RETURNING next_block",
                (COUNTER_BLOCK, device),
            ).fetchone()
        return range(row[0] - COUNTER_BLOCK, row[0])

    def remove(self, ids: Sequence[int]) -> None:
        """Forget acknowledged batches."""
        if not ids:
            return
        with self._lock:
            with self._transaction():
                gone = self._db.executemany("DELETE FROM batch WHERE id = ?", [(one,) for one in ids]).rowcount
            self._count -= gone

    def bury(self, batch_id: int, code: str, message: str) -> None:
        """Move a batch that the server refused for good to the dead letters, of which the newest 10,000 stay."""
        with self._lock:
            with self._transaction():
                moved = self._db.execute(
                    "INSERT INTO dead (device, kind, payload, made, code, message, at)"
                    " SELECT device, kind, payload, made, ?, ?, ? FROM batch WHERE id = ?",
                    (code, message[:240], time.time(), batch_id),
                ).rowcount
                self._db.execute("DELETE FROM batch WHERE id = ?", (batch_id,))
                self._db.execute("DELETE FROM dead WHERE id <= (SELECT max(id) FROM dead) - ?", (MAX_DEAD_LETTERS,))
            self._count -= moved

    def revive(self) -> int:
        """Put all dead letters back into the queue, after what refused them was mended; return how many."""
        with self._lock:
            with self._transaction():
                columns = "device, kind, payload, made"
                moved = self._db.execute(
                    f"INSERT INTO batch ({columns}) SELECT {columns} FROM dead ORDER BY id"  # noqa: S608
                ).rowcount
                self._db.execute("DELETE FROM dead")
            self._count += moved
        return moved

    def depth(self) -> Depth:
        """Return how full the queue is."""
        with self._lock:
            return _depth(self._db)

    def close(self) -> None:
        """Close the file and let another gateway have it."""
        with self._lock:
            self._db.close()
            os.close(self._guard)


def read_depth(path: Path) -> Depth:
    """Return how full a queue is, without disturbing the gateway that uses it. Raises QueueUnusable."""
    try:
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            return _depth(db)
        finally:
            db.close()
    except sqlite3.Error as error:
        raise QueueUnusable(f"cannot read the queue {path.name}: {error}") from error


def _depth(db: sqlite3.Connection) -> Depth:
    waiting, oldest = db.execute("SELECT count(*), min(made) FROM batch").fetchone()
    dead = db.execute("SELECT count(*) FROM dead").fetchone()[0]
    dropped = db.execute("SELECT batches FROM dropped").fetchone()[0]
    return Depth(waiting, max(0.0, time.time() - oldest) if waiting else 0.0, dead, dropped)


def _only_one(path: Path) -> int:
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
