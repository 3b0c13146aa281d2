"""Make bundles of proofs for outsiders. Each one that leaves the house is an event itself.

The format stands in docs/transparency-log.md; `python -m compliance.verify` reads it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from compliance.errors import KeptCheckpointRefused, NothingToProve, TooMuchToProve
from compliance.log.merkle import consistency_proof, inclusion_proof
from compliance.log.notes import Checkpoint, Note, NoteRefused
from compliance.log.tiles import TiledTree
from compliance.models import EventCategory, LogCheckpoint, LogEntry, Patient, User
from compliance.selectors.log import QUORUM, StoredTiles
from compliance.selectors.log_reading import MayRead
from compliance.services.events import record_event
from compliance.services.log_keys import log_signer, public_keys, witnesses
from compliance.verify.bundle import FORMAT, read_bundle
from compliance.verify.checks import Trust, check_bundle
from compliance.verify.outcome import Line

MOST_ENTRIES = 10_000  # a proof each; more is a matter for the log's tiles


@dataclass(frozen=True, slots=True)
class About:
    """What a bundle says it is about; the verifier holds every record in it against this."""

    event_id: int | None = None
    patient_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    stretch: tuple[int, int] | None = None  # every entry between two places, whomever it concerns

    def written(self) -> dict[str, Any]:
        """Return this as the bundle writes it."""
        first, last = self.stretch or (None, None)
        fields = {
            "event": self.event_id,
            "patient": str(self.patient_id) if self.patient_id else None,
            "from": self.since.isoformat() if self.since else None,
            "to": self.until.isoformat() if self.until else None,
            "first": first,
            "last": last,
        }
        return {name: value for name, value in fields.items() if value is not None}


def export_proofs(
    entries: QuerySet[LogEntry], *, about: About, may_read: MayRead, by: User | None, kept: str | None = None
) -> dict[str, Any]:
    """Return a bundle over the entries that have a place in the log, and record that it left the house.

    kept: a checkpoint that the reader has from before. Raises NothingToProve, TooMuchToProve or KeptCheckpointRefused.
    """
    placed = list(entries.filter(leaf_index__isnull=False).order_by("leaf_index")[: MOST_ENTRIES + 1])
    if len(placed) > MOST_ENTRIES:
        raise TooMuchToProve
    bundle = bundle_of(placed, about=about, may_read=may_read, kept=kept)
    record_event(
        category=EventCategory.SECURITY,
        code="proofs_exported",
        message="Proofs from the record log left the house.",
        patient=_one_patient(placed),
        user=by,
        detail={"entries": len(placed), "first": placed[0].leaf_index, "last": placed[-1].leaf_index},
    )
    return bundle


def bundle_of(
    placed: Sequence[LogEntry], *, about: About, may_read: MayRead, kept: str | None = None
) -> dict[str, Any]:
    """Return a bundle over entries in the log's order, which all have their places.

    Raises NothingToProve or KeptCheckpointRefused.
    """
    if not placed or placed[-1].leaf_index is None:
        raise NothingToProve
    head = _head_over(placed[-1].leaf_index)
    tree = TiledTree(StoredTiles())
    bundle: dict[str, Any] = {
        "format": FORMAT,
        "about": about.written(),
        "count": len(placed),
        "checkpoint": head.note,
        "keys": public_keys(),
        "entries": [_written(entry, tree, head.size, may_read(entry)) for entry in placed],
    }
    earlier = kept or (_first_note_over(placed[0].leaf_index, head) if len(placed) == 1 else None)
    return bundle | ({"earlier": _earlier(earlier, tree, head.size)} if earlier else {})


def _head_over(index: int | None) -> LogCheckpoint:
    """Return the newest head that covers a place and that enough witnesses signed, else the newest that covers it."""
    covering = LogCheckpoint.objects.filter(size__gt=index).order_by("-size")
    head = covering.filter(witnesses__gte=QUORUM).first() or covering.first()
    if head is None:
        raise NothingToProve
    return head


def _first_note_over(index: int | None, head: LogCheckpoint) -> str | None:
    """Return the note under which an entry came into the log, unless that is the head itself."""
    first = LogCheckpoint.objects.filter(size__gt=index).order_by("size").first()
    return first.note if first is not None and first.size < head.size else None


def _written(entry: LogEntry, tree: TiledTree, size: int, opened: bool) -> dict[str, Any]:
    index = entry.leaf_index
    assert index is not None  # noqa: S101 chosen by its place
    written: dict[str, Any] = {
        "index": index,
        "commitment": _b64(bytes(entry.commitment)),
        "proof": [_b64(item) for item in inclusion_proof(tree, index, size)],
    }
    if opened and entry.record is not None and entry.salt is not None:
        written |= {"salt": _b64(bytes(entry.salt)), "record": entry.record}
    return written


def _earlier(note: str, tree: TiledTree, size: int) -> dict[str, Any]:
    try:
        older = Checkpoint.parse(Note.parse(note).text)
    except NoteRefused as error:
        raise KeptCheckpointRefused(f"The kept checkpoint cannot be read: {error}.") from error
    if not 0 < older.size <= size:
        raise KeptCheckpointRefused(f"The kept checkpoint is of {older.size} entries, this one of {size}.")
    return {"checkpoint": note, "proof": [_b64(item) for item in consistency_proof(tree, older.size, size)]}


def _one_patient(entries: Sequence[LogEntry]) -> Patient | None:
    first = entries[0].patient_id
    if first is None or any(entry.patient_id != first for entry in entries):
        return None
    return Patient.objects.filter(pk=first).first()


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def check_now(entry: LogEntry) -> list[Line]:
    """Check an entry's proof with the outsiders' own verifier and the keys that the house knows.

    Raises NothingToProve.
    """
    bundle = bundle_of([entry], about=About(), may_read=lambda _: True)
    trust = Trust((log_signer().verifier,), tuple(key for address in witnesses() for key in address.verifiers))
    return check_bundle(read_bundle(json.dumps(bundle)), trust)
