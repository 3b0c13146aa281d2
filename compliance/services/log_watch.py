"""Check the stored log against itself, again and again: what somebody changed with direct access to the database.

Three anchors hold what the database says of itself: the hashes in the tree, the heads that this process saw
(also on disk, `compliance.services.log_memory`), and what independent witnesses remember
(`compliance.services.log_witnesses`). A pass over the whole log goes in small steps, so that it never holds anybody up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from compliance.log.merkle import HASH_BYTES, CompactRange, leaf_hash
from compliance.log.notes import Checkpoint, Note, NoteRefused
from compliance.log.records import canonical, commitment_to
from compliance.log.tiles import WIDTH
from compliance.models import Event, LogCheckpoint, LogEntry
from compliance.selectors.log import StoredTiles, newest_checkpoint, records_since
from compliance.services.log import record_of
from compliance.services.log_erasure import Erased, erased_places
from compliance.services.log_keys import log_signer


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold. what: a code; where: an index, an event or a size."""

    what: str
    where: int

    @property
    def sentence(self) -> str:
        """What to tell people."""
        return f"The record log does not hold: {WORDS[self.what]} ({self.where})."


WORDS = {
    "checkpoint_forged": "a head is not what the log signed",
    "entry_beyond_head": "an entry stands beyond the signed head",
    "entry_blanked": "an entry was emptied, and no erasure names it",
    "entry_changed": "an entry no longer fits its commitment",
    "entry_missing": "an entry is gone",
    "entry_returned": "an entry that was erased is back, as after an old backup: erase it again",
    "event_changed": "an event is no longer what was committed to",
    "event_missing": "an event is gone",
    "event_uncommitted": "an event was never committed to",
    "head_differs": "the entries do not lead to the signed head",
    "log_forked": "a witness signed another log",
    "log_stuck": "new entries find no place after the signed head",
    "log_shrank": "entries that were signed are gone",
    "memory_changed": "what this process remembers on disk of the newest head was changed",
    "tree_changed": "the tree holds another hash for an entry",
}


HEADS_A_TURN = 50  # a signature takes a tenth of a millisecond


class LogWatch:
    """One rolling pass after another, and the newest head that this process knows."""

    def __init__(self) -> None:
        self._head: LogCheckpoint | None = None  # of the pass that is under way
        self._range = CompactRange()
        self._event_id = 0
        self._older_size = 0
        self._seen: tuple[int, bytes] = (0, b"")
        self._erased = Erased()  # places that erasures name

    def check_some(self, limit: int) -> list[Finding]:
        """Check the newest head, the next `limit` entries of the pass, as many events, and some of the older heads."""
        newest = newest_checkpoint()
        found = [*self._check_head(newest), *self._check_older_heads(), *self._check_events(limit)]
        if newest is None:
            return found
        if LogEntry.objects.filter(leaf_index__gte=newest.size).exists() and newest == newest_checkpoint():
            found.append(Finding("entry_beyond_head", newest.size))
        if self._head is None:
            self._head, self._range, self._erased = newest, CompactRange(), erased_places()
        return found + list(self._check_entries(self._head, limit))

    def _check_head(self, newest: LogCheckpoint | None) -> Iterator[Finding]:
        size, root = (newest.size, bytes(newest.root)) if newest else (0, b"")
        seen_size, seen_root = self._seen
        if size < seen_size:
            yield Finding("log_shrank", size)
        elif size == seen_size and root != seen_root:
            yield Finding("log_forked", size)
        if newest is not None and not _is_ours(newest):
            yield Finding("checkpoint_forged", size)
        self._seen = (size, root) if size >= seen_size else self._seen

    def _check_older_heads(self) -> Iterator[Finding]:
        """Look at the signatures of the next heads by size: proofs of the past lead to them."""
        heads = list(LogCheckpoint.objects.filter(size__gt=self._older_size).order_by("size")[:HEADS_A_TURN])
        self._older_size = heads[-1].size if heads else 0
        yield from (Finding("checkpoint_forged", head.size) for head in heads if not _is_ours(head))

    def _check_entries(self, head: LogCheckpoint, limit: int) -> Iterator[Finding]:
        start = self._range.size
        end = min(start + limit, head.size)
        entries = {
            entry.leaf_index: entry for entry in records_since(start, end - start) if entry.leaf_index is not None
        }
        events = Event.objects.in_bulk([entry.event_id for entry in entries.values() if entry.event_id])
        leaves = _leaves(start, end)
        for index in range(start, end):
            entry = entries.get(index)
            if entry is None:
                yield Finding("entry_missing", index)
                self._head = None  # without it there is no head to compare; the next pass begins anew
                return
            self._range.append(leaf_hash(bytes(entry.commitment)))
            if leaves.get(index) != leaf_hash(bytes(entry.commitment)):
                yield Finding("tree_changed", index)
            yield from self._check_entry(index, entry, events)
        if self._range.size == head.size:
            if self._range.root() != bytes(head.root):
                yield Finding("head_differs", head.size)
            self._head = None

    def _check_entry(self, index: int, entry: LogEntry, events: dict[int, Event]) -> Iterator[Finding]:
        """Check what an entry says; an emptied one must be named by an erasure, and a named one must be empty."""
        if entry.record is not None and index in self._erased:
            yield Finding("entry_returned", index)
        elif entry.record is None and entry.salt is None:
            if index not in self._erased:
                self._erased = erased_places()  # it may have been erased since this pass began
            if index not in self._erased:
                yield Finding("entry_blanked", index)
        else:
            yield from _check_record(index, entry, events)

    def _check_events(self, limit: int) -> Iterator[Finding]:
        """Look for events without an entry among the next ones by number."""
        ids = list(Event.objects.filter(pk__gt=self._event_id).order_by("pk").values_list("pk", flat=True)[:limit])
        if not ids:
            self._event_id = 0
            return
        self._event_id = ids[-1]
        committed = set(LogEntry.objects.filter(event_id__in=ids).values_list("event_id", flat=True))
        yield from (Finding("event_uncommitted", pk) for pk in ids if pk not in committed)


def _is_ours(checkpoint: LogCheckpoint) -> bool:
    try:
        note = Note.parse(checkpoint.note)
        note.signed_by(log_signer().verifier)
        head = Checkpoint.parse(note.text)
    except NoteRefused:
        return False
    if checkpoint.witnesses >= len(note.signatures):  # more witnesses than signatures beside the log's own
        return False
    return (head.origin, head.size, head.root) == (log_signer().name, checkpoint.size, bytes(checkpoint.root))


def _leaves(start: int, end: int) -> dict[int, bytes]:
    """Return the leaf hashes that the tree holds for a stretch of entries."""
    source = StoredTiles()
    found: dict[int, bytes] = {}
    for number in range(start // WIDTH, -(-end // WIDTH)):
        tile = source.tile(0, number)
        found |= {
            number * WIDTH + at // HASH_BYTES: tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)
        }
    return found


def _check_record(index: int, entry: LogEntry, events: dict[int, Event]) -> Iterator[Finding]:
    salt, record = entry.salt, entry.record
    if salt is None or record is None or commitment_to(bytes(salt), record) != bytes(entry.commitment):
        yield Finding("entry_changed", index)
    elif entry.event_id is not None:
        event = events.get(entry.event_id)
        if event is not None and _differs(event, record):
            yield Finding("event_changed", entry.event_id)
        elif event is None and LogEntry.objects.filter(pk=entry.pk, record__isnull=False).exists():
            yield Finding("event_missing", entry.event_id)  # and not because it was erased this moment


def _differs(event: Event, record: str) -> bool:
    """Tell whether an event is no longer the one that was committed to."""
    now = {**record_of(event), "kind": "event", "at": event.at.isoformat()}
    return canonical(now) != record and json.loads(canonical(now)) != json.loads(record)
