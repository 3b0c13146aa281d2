"""The registry of named things: how one patient, device, study or order is found, so that it can be asked about.

Each package registers its own kinds when it starts. A finder says which thing it is and whose, never what is in it: the
page of the policy is no way around the right to see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from compliance.policy.kinds import KINDS
from compliance.policy.scope import Resource, Scope


@dataclass(frozen=True, slots=True)
class Finder:
    """How things of one kind are found and called.

    rows: all of them, as a query with what `title` and `whose` read. patient_field, ward_field: as lists are scoped.
    called: the condition under which one is called `text`, None where no name of its own is like that.
    title: which one it is. whose: its patient, where it has one. within: how lists are scoped, for rows without foreign
    keys. states: every thing with its state, for kinds whose state rules may ask about.
    """

    kind: str  # of `KINDS`
    rows: Callable[[], Any]
    title: Callable[[Any], str]
    called: Callable[[str], Any]
    patient_field: str | None = "patient"
    ward_field: str | None = None
    whose: Callable[[Any], Any] = lambda row: row.patient
    within: Callable[[Any, Scope], Any] | None = None
    states: Callable[[], Iterable[tuple[Any, Resource]]] | None = None


_finders: dict[str, Finder] = {}


def register_finders(finders: Iterable[Finder]) -> None:
    """Add finders. Raises ValueError for a kind that nobody asks about, or that has one already."""
    for finder in finders:
        if finder.kind not in KINDS:
            raise ValueError(f"the policy's page knows no kind {finder.kind}")
        if _finders.setdefault(finder.kind, finder) is not finder:
            raise ValueError(f"two finders for {finder.kind}")


def finder_of(kind: str) -> Finder | None:
    """Return how things of `kind` are found; None for a kind of which there are no single things to name."""
    return _finders.get(kind)


def all_finders() -> list[Finder]:
    """Return every finder, in the order in which the page offers the kinds."""
    return [_finders[kind] for kind in KINDS if kind in _finders]
