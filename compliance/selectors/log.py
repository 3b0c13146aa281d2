"""Reads of the transparency log: entries, heads and proofs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from compliance.log.merkle import consistency_proof, inclusion_proof
from compliance.log.tiles import TiledTree
from compliance.models import LogCheckpoint, LogEntry, LogTile, User
from compliance.selectors.people import patients_for, scope_for

VIEW, VIEW_HOUSE = "compliance.view_log", "compliance.view_house_log"
OF_NO_WARD = Q(patient_id__isnull=True, ward_id__isnull=True)
QUORUM = 2  # independent witnesses under a head before it counts as witnessed


class StoredTiles:
    """Tiles from the database."""

    def tile(self, level: int, number: int) -> bytes:
        """Return a tile's hashes, nothing for one that is not there."""
        found = LogTile.objects.filter(level=level, number=number).values_list("hashes", flat=True).first()
        return bytes(found) if found is not None else b""


@dataclass(frozen=True, slots=True)
class Proof:
    """Why an entry is in the log: the way from its commitment to a signed head."""

    entry: LogEntry
    checkpoint: LogCheckpoint
    path: tuple[bytes, ...]  # lowest first

    @property
    def witnessed(self) -> bool:
        """Tell whether enough witnesses stand behind the head."""
        return self.checkpoint.witnesses >= QUORUM


def newest_checkpoint(*, witnessed: bool = False) -> LogCheckpoint | None:
    """Return the newest signed head; with `witnessed` the newest that enough witnesses cosigned."""
    found = LogCheckpoint.objects.order_by("-size")
    return (found.filter(witnesses__gte=QUORUM) if witnessed else found).first()


def proof_for(entry: LogEntry) -> Proof | None:
    """Return the proof under the newest witnessed head that holds the entry, else under the newest head.

    None while the entry waits for its place.
    """
    if entry.leaf_index is None:
        return None
    covering = LogCheckpoint.objects.filter(size__gt=entry.leaf_index).order_by("-size")
    head = covering.filter(witnesses__gte=QUORUM).first() or covering.first()
    if head is None:
        return None
    path = inclusion_proof(TiledTree(StoredTiles()), entry.leaf_index, head.size)
    return Proof(entry, head, tuple(path))


def consistency_between(old: int, new: int) -> list[bytes]:
    """Return the proof that the first `old` entries stand unchanged in the first `new`."""
    return consistency_proof(TiledTree(StoredTiles()), old, new)


def records_since(index: int, limit: int) -> list[LogEntry]:
    """Return entries from leaf `index` on, in the log's order, at most `limit`; erased ones are among them."""
    return list(LogEntry.objects.filter(leaf_index__gte=index).order_by("leaf_index")[:limit])


def entry_of_event(event_id: int) -> LogEntry | None:
    """Return the entry that commits to an event."""
    return LogEntry.objects.filter(event_id=event_id).first()


def entry_about(kind: str, patient_id: UUID, at: datetime) -> LogEntry | None:
    """Return the entry of a kind that was made about a patient for a moment: a model's decision has no event."""
    return LogEntry.objects.filter(kind=kind, patient_id=patient_id, at=at).order_by("-pk").first()


def entries_for(user: User) -> QuerySet[LogEntry]:
    """Return the entries that `user` may read: of patients on whom the policy grants it, else of the reader's wards.

    What belongs to no patient and no ward is for those who may see the house's own entries.
    """
    patients = patients_for(user, VIEW).values("pk")
    wards = scope_for(user, VIEW).ward_ids
    seen = Q(patient_id__in=patients) | Q(patient_id__isnull=True, ward_id__in=wards)
    if user.has_perm(VIEW_HOUSE):
        seen |= OF_NO_WARD
    return LogEntry.objects.filter(seen)
