"""Append to the transparency log, give entries their place in the tree, and sign what came out.

An entry is inserted in the transaction of its act and waits for nothing. The sequencer comes after the commit: it alone
decides the order, so that no two acts ever wait for one another at the end of the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from compliance.log.merkle import leaf_hash, root_at
from compliance.log.notes import Checkpoint
from compliance.log.records import canonical, commitment_to, new_salt
from compliance.log.tiles import TiledTree, appended
from compliance.models import Event, LogCheckpoint, LogEntry, LogTile
from compliance.selectors.log import StoredTiles, newest_checkpoint
from compliance.services.log_keys import log_signer

MOST_A_ROUND = 4096  # keeps the sequencer's transaction short


def append(
    *,
    kind: str,
    record: Mapping[str, Any],
    patient_id: UUID | None = None,
    ward_id: int | None = None,
    event_id: int | None = None,
    at: datetime | None = None,
) -> LogEntry:
    """Commit to a record in the caller's transaction and return its entry.

    The record holds identifiers and codes, JSON alone; `kind` and the time are added to it.
    """
    moment = at or timezone.now()
    entry = _committed(kind, record, moment)
    entry.patient_id, entry.ward_id, entry.event_id = patient_id, ward_id, event_id
    entry.save(force_insert=True)
    return entry


def append_events(events: Iterable[Event]) -> None:
    """Commit to events in their own transaction, in their order and in one query."""
    entries = []
    for event in events:
        entry = _committed("event", record_of(event), event.at)
        entry.patient_id, entry.ward_id, entry.event_id = event.patient_id, event.ward_id, event.pk
        entries.append(entry)
    _insert(entries)


def _insert(entries: list[LogEntry]) -> None:
    """Insert without the ORM's way around: every act waits for this, and it took twice as long."""
    fields = [field for field in LogEntry._meta.concrete_fields if not field.primary_key]
    columns, marks = ", ".join(f'"{field.column}"' for field in fields), ", ".join(["%s"] * len(fields))
    rows = [[field.get_db_prep_save(getattr(e, field.attname), connection) for field in fields] for e in entries]
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {LogEntry._meta.db_table} ({columns}) VALUES ({marks})", rows)  # noqa: S608 our own names


def _committed(kind: str, record: Mapping[str, Any], at: datetime) -> LogEntry:
    text = canonical({**record, "kind": kind, "at": at.isoformat()})
    salt = new_salt()
    return LogEntry(kind=kind, at=at, salt=salt, record=text, commitment=commitment_to(salt, text))


def record_of(event: Event) -> dict[str, Any]:
    """Return what the log holds of an event: all but the count, which grows while a flood lasts."""
    return {
        "event": event.pk,
        "category": str(event.category),
        "code": event.code,
        "message": event.message,
        "patient": str(event.patient_id) if event.patient_id else None,
        "ward": event.ward_id,
        "user": event.user_id,
        "device": event.device_id,
        "gateway": event.gateway_id,
        "detail": event.detail,
    }


def sequence(limit: int = MOST_A_ROUND) -> LogCheckpoint | None:
    """Give waiting entries their places, extend the tree and sign its head; None when nothing waited.

    One sequencer runs at a time; see `compliance.services.log_turns`.
    """
    with transaction.atomic():
        newest = newest_checkpoint()
        size = newest.size if newest else 0
        if not _place_waiting(size, limit):
            return None
        placed = LogEntry.objects.filter(leaf_index__gte=size).order_by("leaf_index")
        leaves = [leaf_hash(bytes(commitment)) for commitment in placed.values_list("commitment", flat=True)]
        _store_tiles(size, leaves)
        return signed_head(size + len(leaves))


def _place_waiting(size: int, limit: int) -> int:
    """Number the entries that wait, oldest first, from `size` on; return how many there were."""
    table = LogEntry._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET leaf_index = placed.place FROM ("  # noqa: S608 our own table's name
            f"SELECT id, %s + row_number() OVER (ORDER BY id) - 1 AS place FROM {table} "
            f"WHERE leaf_index IS NULL ORDER BY id LIMIT %s"
            f") AS placed WHERE {table}.id = placed.id",
            [size, limit],
        )
        return int(cursor.rowcount)


def _store_tiles(size: int, leaves: list[bytes]) -> None:
    rows = [
        LogTile(level=level, number=number, hashes=hashes)
        for (level, number), hashes in appended(StoredTiles(), size, leaves).items()
    ]
    LogTile.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["level", "number"], update_fields=["hashes"]
    )


def signed_head(size: int) -> LogCheckpoint:
    """Sign the head of the first `size` entries with the key that holds now, and store it."""
    signer = log_signer()
    head = Checkpoint(signer.name, size, root_at(TiledTree(StoredTiles()), size))
    note = f"{head.text()}\n{signer.line(head.text())}"
    return LogCheckpoint.objects.create(size=size, root=head.root, note=note)
