"""What the house holds of a person, part by part, and how each part goes: the registry of erasers.

Each application registers its own parts when it starts. A part names every model that it answers for, so that a test
can find a model about patients that nobody answers for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Fate(StrEnum):
    """How a part goes."""

    DELETED = "deleted"
    BLANKED = "blanked"  # the row stays, without anything that identifies
    KEY_DESTROYED = "key destroyed"  # what is sealed under it stays and can never be read
    DETACHED = "detached"  # what is left belongs to nobody
    COMMITTED = "commitments stay"  # record, salt and person go; the hash stays in the log's tree


def _none(_patient: UUID) -> datetime | None:
    return None


@dataclass(frozen=True, slots=True)
class Part:
    """One part of what is held of a person.

    erase: removes at most so many items of a person and returns how many it removed; 0 when nothing is left. It is
    called again and again, each time in a transaction, so it may be killed anywhere. newest: when the person's newest
    item was made, from which the law counts. law: the rule of the retention schedule that may hold it back.
    order: smaller goes first.
    """

    key: str
    words: str
    fate: Fate
    order: int
    covers: frozenset[str]  # "app.Model"
    erase: Callable[[UUID, int], int]
    newest: Callable[[UUID], datetime | None] = _none
    law: str = ""


# Says what stands in the way of erasing a person, as a sentence that says what to do; None when nothing does.
Obstacle = Callable[[UUID], str | None]

_parts: dict[str, Part] = {}
_obstacles: dict[str, Obstacle] = {}


def register_part(part: Part) -> None:
    """Add a part. Raises ValueError when another one has its key."""
    if _parts.setdefault(part.key, part) is not part:
        raise ValueError(f"two parts are called {part.key}")


def register_parts(found: Iterable[Part]) -> None:
    """Add several parts."""
    for part in found:
        register_part(part)


def register_obstacle(name: str, obstacle: Obstacle) -> None:
    """Add a reason why somebody cannot be erased now."""
    _obstacles[name] = obstacle


def parts() -> list[Part]:
    """Return all parts in the order in which they go."""
    return sorted(_parts.values(), key=lambda part: (part.order, part.key))


def part_of(key: str) -> Part | None:
    """Return a part, None when no application has it any more."""
    return _parts.get(key)


def obstacles_of(patient: UUID) -> list[str]:
    """Return the sentences about everything that stands in the way."""
    return [sentence for obstacle in _obstacles.values() if (sentence := obstacle(patient))]
