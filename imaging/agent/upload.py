"""Bring a sealed study through the hospital's door, piece by piece, until the server says that it has all of them."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol
from uuid import UUID

from imaging.agent.spool import Spooled
from imaging.errors import ChunkAltered, ChunkMissing

ROUNDS = 5  # of sending what is missing; a healthy server needs one


class Door(Protocol):
    """Where sealed studies go in: HTTP to a server, or the services of this process. Each raises a DomainError."""

    def begin(self, manifest: bytes, signature: bytes) -> list[int]:
        """Announce a study and return the pieces that are missing; an empty list when it was already received."""

    def missing(self, study: UUID) -> list[int]:
        """Return the pieces that are missing."""

    def put(self, study: UUID, index: int, piece: bytes) -> None:
        """Hand over one piece; the same piece twice is the same as once."""

    def complete(self, study: UUID) -> None:
        """Declare the study whole; raises ChunkMissing while it is not."""


def deliver(spooled: Spooled, door: Door) -> int:
    """Upload one study and return how many pieces were sent; what the server already has is not sent again.

    Raises the door's DomainError (`permanent` says whether trying again can help) or OSError when it cannot be reached.
    """
    study, sent = spooled.study, 0
    missing = door.begin(spooled.manifest, spooled.signature)
    for _ in range(ROUNDS):
        for index in missing:
            with suppress(ChunkAltered):  # spoilt on the way: it is still missing, and goes again in the next round
                door.put(study, index, spooled.piece(index))
                sent += 1
        try:
            door.complete(study)
            return sent
        except ChunkMissing:
            missing = door.missing(study)
    raise ChunkMissing
