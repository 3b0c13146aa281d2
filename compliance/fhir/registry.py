"""Every resource type that the API serves. Packages register theirs when the application is ready."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from compliance.fhir.access import Access
from compliance.fhir.entries import Entry, Resource
from compliance.fhir.errors import MethodWrong, TypeUnknown
from compliance.fhir.parameters import Criterion, Parameter

Position = tuple[object, ...]  # where a page ended: the last row's sort values and key


@dataclass(frozen=True, slots=True)
class Asked:
    """What one page of a search wants: filters, order, where to go on, and up to when rows count."""

    criteria: tuple[Criterion, ...] = ()
    sort: tuple[str, ...] = ()  # names, with "-" in front for descending
    limit: int = 50
    after: Position | None = None
    snapshot: datetime | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Which versions a history wants. since: not older; at: in force at some time of low <= t < high; until: the moment
    at which the walk began."""

    since: datetime | None = None
    at: tuple[datetime, datetime] | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One page, and where it ended; `after` is None at the end of the walk."""

    entries: list[Entry]
    after: Position | None = None


class ResourceType(ABC):
    """One resource type: where its resources come from, who may see them, what can be asked and written."""

    name: ClassVar[str]
    about: ClassVar[str]
    action: ClassVar[str]  # the right that reading it needs
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    sorts: ClassVar[tuple[str, ...]] = ()
    includes: ClassVar[tuple[str, ...]] = ()  # names of reference parameters
    history_kept: ClassVar[bool] = False
    versions: ClassVar[str] = "The current version is kept; an older one is gone."
    dated: ClassVar[bool] = True  # `_lastUpdated` can be searched
    total_known: ClassVar[bool] = True  # counting is cheap
    creates: ClassVar[bool] = False
    updates: ClassVar[bool] = False
    deletes: ClassVar[bool] = False
    exported: ClassVar[bool] = True  # goes into bulk exports
    looked_back: ClassVar[timedelta | None] = None  # how late a resource may come and still be told of; None: any time

    @abstractmethod
    def read_many(self, access: Access, ids: Collection[str], letter: str = "r") -> list[Entry]:
        """Return those of the ids that exist and that the request may see, in any order."""

    @abstractmethod
    def find(self, access: Access, asked: Asked) -> Found:
        """Return one page of what the request may see."""

    @abstractmethod
    def count(self, access: Access, criteria: tuple[Criterion, ...]) -> int:
        """Return how many resources a search would find. Raises TooCostly."""

    def history(self, access: Access, entry: Entry) -> list[Entry]:
        """Return every version of a resource, newest first."""
        return [entry]

    def changes(self, access: Access, span: Span, limit: int, after: Position | None) -> Found:
        """Return one page of all versions of all resources that the request may see, newest first."""
        raise MethodWrong(f"No history of {self.name} is kept; its current versions can be searched.")

    def count_changes(self, access: Access, span: Span) -> int | None:
        """Return how many versions there are, or None where counting is not cheap."""
        return None

    def create(self, access: Access, resource: Resource) -> Entry:
        """Store a validated resource and return it as stored."""
        raise MethodWrong(f"{self.name} cannot be created here.")

    def update(self, access: Access, current: Entry, resource: Resource) -> Entry:
        """Change a stored resource into a validated one and return it as stored."""
        raise MethodWrong(f"{self.name} cannot be updated here.")

    def delete(self, access: Access, current: Entry) -> None:
        """Remove a stored resource."""
        raise MethodWrong(f"{self.name} cannot be deleted here.")

    @property
    def told(self) -> bool:
        """Tell whether subscribers can be told of changes: those whose moment is known."""
        return self.parameter("_lastUpdated") is not None

    def parameter(self, name: str) -> Parameter | None:
        """Return the search parameter of that name."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)

    def include(self, name: str) -> Parameter | None:
        """Return the reference parameter that `_include` may follow."""
        return self.parameter(name) if name in self.includes else None

    @property
    def interactions(self) -> tuple[str, ...]:
        """What can be done with this type, in the words of a CapabilityStatement."""
        history = ("history-instance", "history-type") if self.history_kept else ()
        offered = {"create": self.creates, "update": self.updates, "delete": self.deletes}
        writes = tuple(code for code, there in offered.items() if there)
        return ("read", "vread", *history, "search-type", *writes)


_TYPES: dict[str, ResourceType] = {}


def register(*types: ResourceType) -> None:
    """Add resource types; a second one under the same name takes the first one's place only when it is of its class."""
    for one in types:
        held = _TYPES.get(one.name)
        if held is not None and type(held) is not type(one):
            raise ValueError(f"two packages register {one.name}")
        _TYPES[one.name] = one


def registered() -> Mapping[str, ResourceType]:
    """Return every resource type by name, sorted."""
    return dict(sorted(_TYPES.items()))


def type_named(name: str) -> ResourceType:
    """Return the resource type. Raises TypeUnknown."""
    try:
        return _TYPES[name]
    except KeyError:
        raise TypeUnknown from None
