"""The queue on disk: every batch stays here until the server has acknowledged it.

One SQLite file in WAL mode with `synchronous=FULL`: what `append` returned from survives a power failure. Payloads are
kept unsealed, because a frame that is sent again is sealed again under a new counter; only its owner can read the file.
How the file stays within its bound, and what goes when it is full, is `devices.gateway.queue_file`.

Two numbers must never repeat, whatever happens to process, power or disk:

- `seq`, by which the server drops duplicates: stored in the transaction that stores the readings themselves;
- the frame counter, which is the nonce: reserved in blocks, in a transaction that ends before the first one is used.

In a new file both begin at the time in milliseconds, so that losing the file repeats neither. Counters also leap to the
time at every start, so that a file restored from a backup repeats no nonce.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from devices.errors import FrameError, ReadingError
from devices.gateway.gathering import Waiting, joined_batches
from devices.gateway.queue_file import (
    CHUNK_PART,
    LEAST_BYTES,
    Depth,
    Lost,
    QueueUnusable,
    common_bytes,
    depth_of,
    keep_within,
    note_lost,
    only_one,
    open_file,
    used_bytes,
)
from devices.kinds.registry import Urgency
from devices.protocol.frames import HEARD_VERSION, MAX_PAYLOAD_BYTES, VERSION, FrameKind, readings_head
from devices.protocol.heard import Run, encode_heard, split_heard

__all__ = ["Batch", "Depth", "DiskQueue", "QueueUnusable"]

log = logging.getLogger(__name__)

COUNTER_BLOCK = 1024
MAX_DEAD_LETTERS = 10_000
MAX_BYTES = 256 << 20
GATHER_AT_ONCE = 1024
GIVE_WAY_S = 0.001  # a lock is not fair: who lets go and takes it again at once never lets the collector in


class Batch(NamedTuple):
    """One frame's worth of readings, not yet sealed."""

    device: int
    kind: FrameKind
    payload: bytes
    id: int = 0  # given by the queue
    urgency: Urgency = Urgency.TELEMETRY
    heard: tuple[Run, ...] = ()  # when what it holds was taken in; nothing where it is no measurement

    @property
    def sealable(self) -> tuple[int, bytes]:
        """Version and plaintext of its frame: as it is where it cannot say when it was heard, or has no room for it."""
        if not self.heard:
            return VERSION, self.payload
        with_times = encode_heard(self.heard) + self.payload
        return (HEARD_VERSION, with_times) if len(with_times) <= MAX_PAYLOAD_BYTES else (VERSION, self.payload)


# How far each stream of a device was taken; an older gateway leaves the table alone.
_MARKS = (
    "CREATE TABLE IF NOT EXISTS mark (device INTEGER NOT NULL, stream TEXT NOT NULL, number INTEGER NOT NULL,"
    " PRIMARY KEY (device, stream)) WITHOUT ROWID"
)
# Of batches that were joined, when each part was taken in; of others `made` says it. As long as the batch itself.
_HEARD = (
    "CREATE TABLE IF NOT EXISTS heard (batch INTEGER PRIMARY KEY, runs BLOB NOT NULL)",
    "CREATE TRIGGER IF NOT EXISTS heard_goes AFTER DELETE ON batch BEGIN DELETE FROM heard WHERE batch = old.id; END",
)


class DiskQueue:
    """Thread-safe: the collector appends from its thread while the link takes and removes.

    max_bytes: bound of the file, at least 1 MiB; the journal beside it may take 4 MiB more.
    """

    def __init__(self, path: Path, device_ids: Iterable[int], *, max_bytes: int = MAX_BYTES) -> None:
        self._lock = threading.RLock()
        self.max_bytes = max(max_bytes, LEAST_BYTES)
        self._counters: dict[int, range] = {}
        self._dropped: Lost = Counter()
        try:
            self._guard = only_one(path)
            self._db = open_file(path, self.max_bytes)
            self._begin(device_ids)
            self._shown = self.newest_id()
        except (sqlite3.Error, OSError) as error:
            raise QueueUnusable(f"cannot open the queue {path.name}: {error}") from error

    def _begin(self, device_ids: Iterable[int]) -> None:
        floor = int(time.time() * 1000)
        with self._transaction():
            for statement in (_MARKS, *_HEARD):
                self._db.execute(statement)
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

    def marks(self) -> dict[tuple[int, str], int]:
        """Return (device id, stream) -> how far that stream of a device was taken."""
        with self._lock:
            rows = self._db.execute("SELECT device, stream, number FROM mark")
            return {(device, stream): number for device, stream, number in rows}

    def append(
        self,
        batches: Sequence[Batch],
        next_seqs: Mapping[int, int],
        *,
        made: float | None = None,
        marks: Mapping[tuple[int, str], int] | None = None,
    ) -> None:
        """Store batches, the sequence numbers that follow and the marks they reach, all or nothing, and then return.

        A full queue makes room: what is least urgent goes first, oldest before newer; what went is counted. Raises
        QueueUnusable when the disk is full or fails, or nothing but dose events is left; nothing was stored then.
        """
        at = time.time() if made is None else made
        lost: Lost = Counter()
        with self._transaction():
            for chunk in _chunks(batches, self.max_bytes // CHUNK_PART):
                taken = chunk
                if used_bytes(self._db) > common_bytes(self.max_bytes):  # of dose events alone: the rest made room
                    taken = [batch for batch in chunk if batch.urgency is Urgency.DOSE]
                    refused: Lost = Counter(
                        (batch.urgency, batch.device) for batch in chunk if batch.urgency is not Urgency.DOSE
                    )
                    note_lost(self._db, refused)
                    lost.update(refused)
                self._db.executemany(
                    "INSERT INTO batch (device, kind, payload, made, urgency) VALUES (?, ?, ?, ?, ?)",
                    [(batch.device, batch.kind, batch.payload, at, batch.urgency) for batch in taken],
                )
                lost.update(keep_within(self._db, self.max_bytes))
            self._db.executemany(
                "UPDATE device SET next_seq = ?2 WHERE id = ?1 AND next_seq < ?2", list(next_seqs.items())
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO mark VALUES (?, ?, ?)",
                [(*key, number) for key, number in (marks or {}).items()],
            )
        with self._lock:
            self._dropped.update(lost)
        for (urgency, device), gone in lost.items():
            log.warning("event=queue_full dropped=%d urgency=%s device=%d", gone, urgency.name.lower(), device)

    def take_dropped(self) -> Lost:
        """Return what was given up since the last call, because the disk was full."""
        with self._lock:
            dropped, self._dropped = self._dropped, Counter()
        return dropped

    def after(
        self, batch_id: int, limit: int, urgency: Urgency | None = None, through: int = (1 << 63) - 1
    ) -> list[Batch]:
        """Return up to `limit` waiting batches with a higher id, oldest first; all, or those of one urgency.

        through: the highest id. What was returned here may be on the line, and is gathered with nothing any more.
        """
        if urgency is None:
            found = self._select("WHERE id > ? AND id <= ? ORDER BY id LIMIT ?", (batch_id, through, limit))
        else:
            where = "WHERE urgency = ? AND id > ? AND id <= ? ORDER BY id LIMIT ?"
            found = self._select(where, (urgency, batch_id, through, limit))
        self._shown = max([self._shown, *(batch.id for batch in found if batch.urgency is Urgency.TELEMETRY)])
        return found

    def newest_id(self) -> int:
        """Return the highest id that any batch has had."""
        with self._lock:
            row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'batch'").fetchone()
        return int(row[0]) if row else 0

    def gather(self) -> int:
        """Join small batches of readings that were never sent into larger ones; return the highest id after that.

        Only what came since this file was opened: what is older may have been sent, and its bytes must stay the same.
        """
        newest = self.newest_id()
        while self._gather_some(newest):
            time.sleep(GIVE_WAY_S)
        self._shown = self.newest_id()
        return self._shown

    def _gather_some(self, newest: int) -> bool:
        """Join some of what came up to that id; tell whether there was any.

        Reading and joining are one transaction: in between, a full queue might give up what was read.
        """
        with self._transaction():
            rows = self._ungathered(newest)
            for joined in joined_batches(rows):
                self._db.executemany("DELETE FROM batch WHERE id = ?", [(one,) for one in joined.ids])
                stored = self._db.execute(
                    "INSERT INTO batch (device, kind, payload, made, urgency) VALUES (?, ?, ?, ?, ?)",
                    (joined.device, FrameKind.READINGS, joined.payload, joined.made, Urgency.TELEMETRY),
                )
                runs = (stored.lastrowid, joined.heard)
                self._db.execute("INSERT OR REPLACE INTO heard VALUES (?, ?)", runs)
        if rows:
            self._shown = rows[-1].id
        return bool(rows)

    def _ungathered(self, newest: int) -> list[Waiting]:
        query = (
            "SELECT id, device, payload, made FROM batch"
            " WHERE urgency = ? AND id > ? AND id <= ? AND kind = ? ORDER BY id LIMIT ?"
        )
        values = (Urgency.TELEMETRY, self._shown, newest, FrameKind.READINGS, GATHER_AT_ONCE)
        return [Waiting(*row) for row in self._db.execute(query, values)]

    def get(self, ids: Sequence[int]) -> list[Batch]:
        """Return those of the named batches that still wait."""
        return [batch for one in ids for batch in self._select("WHERE id = ?", (one,))]

    def _select(self, where: str, values: tuple[int, ...]) -> list[Batch]:
        with self._lock:
            columns = "device, kind, payload, id, urgency, made, (SELECT runs FROM heard WHERE batch = id)"
            rows = self._db.execute(f"SELECT {columns} FROM batch " + where, values)  # noqa: S608
            return [
                Batch(device, FrameKind(kind), payload, i, Urgency(u), _heard(FrameKind(kind), payload, made, runs))
                for device, kind, payload, i, u, made, runs in rows
            ]

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
        with self._transaction():
            self._db.executemany("DELETE FROM batch WHERE id = ?", [(one,) for one in ids])

    def bury(self, batch_id: int, code: str, message: str) -> None:
        """Move a batch that the server refused for good to the dead letters.

        Of these all dose events stay, and of the others the newest 10,000.
        """
        with self._transaction():
            self._db.execute(
                "INSERT INTO dead (device, kind, payload, made, urgency, code, message, at)"
                " SELECT device, kind, payload, made, urgency, ?, ?, ? FROM batch WHERE id = ?",
                (code, message[:240], time.time(), batch_id),
            )
            self._db.execute("DELETE FROM batch WHERE id = ?", (batch_id,))
            self._db.execute(
                "DELETE FROM dead WHERE urgency > ? AND id <= (SELECT max(id) FROM dead) - ?",
                (Urgency.DOSE, MAX_DEAD_LETTERS),
            )

    def revive(self) -> int:
        """Put all dead letters back into the queue, after what refused them was mended; return how many."""
        with self._transaction():
            columns = "device, kind, payload, made, urgency"
            moved: int = self._db.execute(
                f"INSERT INTO batch ({columns}) SELECT {columns} FROM dead ORDER BY id"  # noqa: S608
            ).rowcount
            self._db.execute("DELETE FROM dead")
        return moved

    def depth(self) -> Depth:
        """Return how full the queue is."""
        with self._lock:
            return depth_of(self._db, time.time(), self.max_bytes)

    def close(self) -> None:
        """Close the file and let another gateway have it."""
        with self._lock:
            self._db.close()
            os.close(self._guard)


def _chunks(batches: Sequence[Batch], most_bytes: int) -> Iterator[list[Batch]]:
    """Yield the batches in order, each time about that many bytes of them and at least one batch."""
    gathered: list[Batch] = []
    size = 0
    for batch in batches:
        gathered.append(batch)
        size += len(batch.payload)
        if size >= most_bytes:
            yield gathered
            gathered, size = [], 0
    if gathered:
        yield gathered


def _heard(kind: FrameKind, payload: bytes, made: float, runs: bytes | None) -> tuple[Run, ...]:
    """Return when what a batch holds was taken in; nothing for what is no measurement, or cannot be read."""
    if kind is FrameKind.FACT:
        return ()
    try:
        if runs is not None:
            return tuple(split_heard(runs + payload)[0])
        return (Run(1 if kind is FrameKind.WAVEFORM else readings_head(payload)[2], made),)
    except (FrameError, ReadingError):
        return ()
