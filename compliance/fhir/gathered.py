"""Resource types whose resources come from several tables, each part with ids, and a right, of its own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet

from compliance.fhir.access import Access
from compliance.fhir.entries import Entry
from compliance.fhir.errors import Forbidden
from compliance.fhir.parameters import NEVER, Criterion, Parameter
from compliance.fhir.registry import Asked, Found, Position, ResourceType, Span
from compliance.fhir.streams import Stream, page_of
from compliance.fhir.table import Table, last_updated

M = TypeVar("M", bound=Model)


class Part(Table[M]):
    """One table of a gathered type. prefix: what its ids begin with, so that each id belongs to one part.

    `rows` gives what the policy leaves, which may be nothing: `reach`, not `scope`, so that who may see one part only
    is not refused for the others. `changed` is the moment by which all parts are walked.
    """

    prefix: ClassVar[str] = ""

    def key(self, text: str) -> Any:
        """Return the primary key that an id of this part writes."""
        return super().key(text.removeprefix(self.prefix)) if text.startswith(self.prefix) else None

    def matching(self, access: Access, criteria: tuple[Criterion, ...], snapshot: datetime | None) -> QuerySet[M]:
        """Return the rows that satisfy criteria of the whole type; a parameter that this part lacks fits no row."""
        mine = []
        for one in criteria:
            parameter = one.parameter if one.parameter.name == "_id" else self.parameter(one.parameter.name)
            if parameter is None:
                return self.visible(access, "s").filter(NEVER)
            mine.append(replace(one, parameter=parameter))
        return self._matching(access, tuple(mine), snapshot)

    def streams(self, access: Access) -> list[Stream]:
        """Return what the request may see; nothing of a part is ever changed."""
        return [self.stream(self.visible(access, "s"))]

    def stream(self, rows: QuerySet[M]) -> Stream:
        """Return rows as a stream of resources."""
        return Stream(rows, self.changed, lambda kept: [self.entry(row) for row in kept])


class Gathered(ResourceType):
    """A type of several parts, walked as one in the order of their moments, newest first unless asked otherwise."""

    parts: ClassVar[list[Part[Any]]]
    date_sort: ClassVar[str]  # what `_sort` calls the moment

    @property
    def sorts(self) -> tuple[str, ...]:  # type: ignore[override]
        """What `_sort` may name."""
        return (self.date_sort, "_lastUpdated")

    def parameter(self, name: str) -> Parameter | None:
        """Return the search parameter of that name."""
        return last_updated(self.parts[0].changed) if name == "_lastUpdated" else super().parameter(name)

    def read_many(self, access: Access, ids: Collection[str], letter: str = "r") -> list[Entry]:
        """Return those of the ids that exist and that the request may see."""
        self._require(access)
        return [entry for part in self.parts for entry in part.read_many(access, ids, letter)]

    def find(self, access: Access, asked: Asked) -> Found:
        """Return one page."""
        self._require(access)
        streams = [part.stream(part.matching(access, asked.criteria, asked.snapshot)) for part in self.parts]
        newest_first = not asked.sort or asked.sort[0].startswith("-")
        return page_of(streams, asked.limit, asked.after, newest_first=newest_first)

    def count(self, access: Access, criteria: tuple[Criterion, ...]) -> int:
        """Return how many resources a search finds."""
        self._require(access)
        return sum(part.matching(access, criteria, None).count() for part in self.parts)

    def changes(self, access: Access, span: Span, limit: int, after: Position | None) -> Found:
        """Return one page of all versions, newest first."""
        if not self.history_kept:
            return super().changes(access, span, limit, after)
        return page_of(self._streams(access, span), limit, after)

    def count_changes(self, access: Access, span: Span) -> int | None:
        """Return how many versions there are."""
        return sum(stream.rows.count() for stream in self._streams(access, span))

    def _streams(self, access: Access, span: Span) -> list[Stream]:
        self._require(access)
        return [stream.within(span) for part in self.parts for stream in part.streams(access)]

    def _require(self, access: Access) -> None:
        """Raise Forbidden for who may see no part at all."""
        if all(access.reach(part.action).empty for part in self.parts):
            raise Forbidden
