"""How long what is kept: the schedule as a file that people read and change, and the kinds that it speaks of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec

from compliance.errors import ScheduleInvalid

FORMAT = 1
MOST_CHARS = 64 * 1024
HOUSE_FILE = Path(__file__).with_name("retention.toml")

Words = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Held = frozenset[UUID]


class Rule(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One kind of data: how long it is kept, and why. demanded: also against a request for erasure."""

    kind: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z_]{0,30}\Z")]
    keep_days: Annotated[int, msgspec.Meta(ge=1, le=36_525)]
    because: Words
    demanded: bool = False

    def before(self, now: datetime) -> datetime:
        """Return the moment before which everything is over age."""
        return now - timedelta(days=self.keep_days)


class _Document(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    format: int
    name: Words
    rules: list[Rule]


@dataclass(frozen=True, slots=True)
class Schedule:
    """All rules, each kind once."""

    name: str
    rules: tuple[Rule, ...]

    def rule(self, kind: str) -> Rule | None:
        """Return the rule for a kind."""
        return next((rule for rule in self.rules if rule.kind == kind), None)


@dataclass(frozen=True, slots=True)
class Kind:
    """Something that gets over age. `count` and `remove` leave out people under a legal hold; `remove` takes at most
    so many items and returns how many it removed."""

    key: str
    words: str
    count: Callable[[datetime, Held], int]
    remove: Callable[[datetime, Held, int], int]


_kinds: dict[str, Kind] = {}


def register_kinds(found: Iterable[Kind]) -> None:
    """Add kinds. Raises ValueError when another one has its key."""
    for kind in found:
        if _kinds.setdefault(kind.key, kind) is not kind:
            raise ValueError(f"two kinds are called {kind.key}")


def kinds() -> dict[str, Kind]:
    """Return all kinds by their keys."""
    return dict(_kinds)


def read_schedule(text: str) -> Schedule:
    """Return the schedule that `text` states. Raises ScheduleInvalid, which names the place and what is wrong there."""
    if len(text) > MOST_CHARS:
        raise ScheduleInvalid(f"A retention schedule has at most {MOST_CHARS} characters; this has {len(text)}.")
    try:
        found = msgspec.toml.decode(text, type=_Document)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise ScheduleInvalid(f"The retention schedule cannot be read: {error}") from error
    if found.format != FORMAT:
        raise ScheduleInvalid(f"This is format {found.format}; the house reads format {FORMAT}.")
    names = [rule.kind for rule in found.rules]
    for name in names:
        if names.count(name) > 1:
            raise ScheduleInvalid(f"The kind '{name}' stands there twice.")
        if name not in _kinds:
            raise ScheduleInvalid(f"The house holds nothing of the kind '{name}'; it is one of {', '.join(_kinds)}.")
    return Schedule(found.name, tuple(found.rules))
