"""Bring a sealed study through the hospital's door, piece by piece, until the server says that it has all of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol
from uuid import UUID

from devices.gateway.turn import LineTurn
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


class GaveWay(Exception):
    """An urgent study came while a routine one was on its way; the rest of the routine one goes later."""


NO_TURN = LineTurn(None)


def nothing_urgent() -> bool:
    """Tell that no study asks to overtake."""
    return False


def deliver(
    spooled: Spooled, door: Door, turn: LineTurn = NO_TURN, overtaken: Callable[[], bool] = nothing_urgent
) -> int:
    """Upload one study and return how many pieces were sent; what the server already has is not sent again.

    An urgent study holds the line's turn. The pieces of a routine one each wait for it, and where `overtaken` tells of
    an urgent study they stop: raises GaveWay. Raises the door's DomainError (`permanent` says whether trying again can
    help), or OSError when it cannot be reached.
    """
    study, sent = spooled.study, 0
    missing = door.begin(spooled.manifest, spooled.signature)
    for _ in range(ROUNDS):
        for index in missing:
            with suppress(ChunkAltered):  # spoilt on the way: it is still missing, and goes again in the next round
                if spooled.urgent:
                    with turn.held():
                        door.put(study, index, spooled.piece(index))
                else:
                    if overtaken():
                        raise GaveWay
                    turn.wait_for_quiet()
                    door.put(study, index, spooled.piece(index))
                sent += 1
        try:
            door.complete(study)
            return sent
        except ChunkMissing:
            missing = door.missing(study)
    raise ChunkMissing
