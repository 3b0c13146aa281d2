"""Resource types whose resources are rows of one table: reading, searching and walking in pages."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from datetime import datetime
from typing import ClassVar, Generic, TypeVar, cast
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from compliance.fhir.access import Access
from compliance.fhir.entries import Entry, Resource
from compliance.fhir.parameters import Criterion, Kind, Parameter, between, int_key
from compliance.fhir.registry import Asked, Found, Position, ResourceType, Span
from compliance.fhir.streams import Stream, page_of
from compliance.fhir.values import DateRange, Token, Value

M = TypeVar("M", bound=Model)


def last_updated(column: str) -> Parameter:
    """`_lastUpdated` over a column."""

    def condition(value: Value, _modifier: str) -> Q:
        value = cast(DateRange, value)
        return between(column, value)

    return Parameter(name="_lastUpdated", kind=Kind.DATE, about="When the resource last changed", condition=condition)


class Table(ResourceType, Generic[M]):
    """Rows of one table as resources of one type.

    Pages follow each other by the last row's sort values and key, not by number, so that rows which come in between
    move nothing. born: the column of moments at which rows came to be; rows younger than the walk are left out of it.
    sort_columns: what `_sort` may name -> a column that is never null.
    """

    born: ClassVar[str] = ""
    changed: ClassVar[str] = ""  # the column behind `_lastUpdated`
    sort_columns: ClassVar[dict[str, str]] = {}
    newest_first: ClassVar[bool] = True
    patient_field: ClassVar[str] = "patient_id"

    @property
    def sorts(self) -> tuple[str, ...]:  # type: ignore[override]
        """What `_sort` may name."""
        dated = ("_lastUpdated",) if self.changed else ()
        return ("_id", *dated, *self.sort_columns)

    @property
    def dated(self) -> bool:  # type: ignore[override]
        """Tell whether `_lastUpdated` can be searched."""
        return bool(self.changed)

    def parameter(self, name: str) -> Parameter | None:
        """Return the search parameter of that name."""
        if name == "_lastUpdated" and self.changed:
            return last_updated(self.changed)
        return super().parameter(name)

    def key(self, text: str) -> int | UUID | None:
        """Return the primary key that an id writes, or None where none can be."""
        return int_key(text)

    @abstractmethod
    def rows(self, access: Access) -> QuerySet[M]:
        """Return the rows on which the policy lets the person do `action`."""

    @abstractmethod
    def render(self, row: M) -> Resource:
        """Return a row as a resource, without `meta`."""

    def updated_at(self, row: M) -> datetime | None:
        """Return when the resource last changed, where that is known."""
        return getattr(row, self.changed) if self.changed else None

    def patient_of(self, row: M) -> UUID | None:
        """Return whose record a row belongs to."""
        return getattr(row, self.patient_field)  # type: ignore[no-any-return]

    def synthetic(self, row: M) -> bool:
        """Tell whether a generator made the row."""
        return False

    def entry(self, row: M) -> Entry:
        """Return a row on its way out."""
        return Entry(self.render(row), self.updated_at(row), self.patient_of(row), self.synthetic(row))

    def visible(self, access: Access, letter: str) -> QuerySet[M]:
        """Return the rows that policy, scopes and consent let the request see."""
        return access.narrow(self.rows(access), self.name, letter, self.patient_field)

    def row(self, access: Access, entry: Entry, letter: str) -> M | None:
        """Return the row behind a resource that the request has read."""
        return self.visible(access, letter).filter(pk=self.key(entry.id)).first()

    def read_many(self, access: Access, ids: Collection[str], letter: str = "r") -> list[Entry]:
        """Return those of the ids that exist and that the request may see."""
        keys = [key for key in map(self.key, ids) if key is not None]
        return [self.entry(row) for row in self.visible(access, letter).filter(pk__in=keys)] if keys else []

    def count(self, access: Access, criteria: tuple[Criterion, ...]) -> int:
        """Return how many rows a search finds."""
        return self._matching(access, criteria, None).count()

    def find(self, access: Access, asked: Asked) -> Found:
        """Return one page."""
        order = self._order(asked.sort)
        rows = self._matching(access, asked.criteria, asked.snapshot).order_by(*order)
        if asked.after is not None:
            rows = rows.filter(_beyond(order, asked.after))
        page = list(rows[: asked.limit + 1])
        more = len(page) > asked.limit
        kept = page[: asked.limit]
        columns = [name.lstrip("-") for name in order]
        after = tuple(getattr(kept[-1], column) for column in columns) if more else None
        return Found([self.entry(row) for row in kept], after)

    def streams(self, access: Access) -> list[Stream]:
        """Return every version that the request may see; rows that are never changed have one each."""
        return [Stream(self.visible(access, "s"), self.changed, lambda rows: [self.entry(row) for row in rows])]

    def changes(self, access: Access, span: Span, limit: int, after: Position | None) -> Found:
        """Return one page of all versions, newest first."""
        if not self.history_kept:
            return super().changes(access, span, limit, after)
        return page_of([stream.within(span) for stream in self.streams(access)], limit, after)

    def count_changes(self, access: Access, span: Span) -> int | None:
        """Return how many versions there are."""
        return sum(stream.within(span).rows.count() for stream in self.streams(access))

    def _matching(self, access: Access, criteria: tuple[Criterion, ...], snapshot: datetime | None) -> QuerySet[M]:
        rows = self.visible(access, "s")
        for criterion in criteria:
            rows = rows.filter(self._rows_of(criterion))
        if snapshot is not None and self.born:
            rows = rows.filter(**{f"{self.born}__lte": snapshot})
        return rows

    def _rows_of(self, criterion: Criterion) -> Q:
        if criterion.parameter.name == "_id":
            keys = [self.key(cast(Token, value).code) for value in criterion.values]
            return Q(pk__in=[key for key in keys if key is not None])
        return criterion.rows()

    def _order(self, sort: tuple[str, ...]) -> list[str]:
        columns = {"_id": "pk", "_lastUpdated": self.changed, **self.sort_columns}
        order = [("-" if name.startswith("-") else "") + columns[name.lstrip("-")] for name in sort]
        if any(name.lstrip("-") == "pk" for name in order):
            return order
        return [*order, "-pk" if self.newest_first else "pk"]


def _beyond(order: list[str], after: Position) -> Q:
    """Return the rows that come after a position in an order of mixed directions."""
    beyond, level = Q(), Q()
    for name, value in zip(order, after, strict=True):
        column = name.lstrip("-")
        beyond |= level & Q(**{f"{column}__{'lt' if name.startswith('-') else 'gt'}": value})
        level &= Q(**{column: value})
    return beyond
