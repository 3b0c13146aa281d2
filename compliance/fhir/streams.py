"""Rows of several tables walked as one, in the order of one moment: versions of a type, resources of mixed origin."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from compliance.fhir.entries import Entry
from compliance.fhir.registry import Found, Position, Span

Placed = tuple[datetime, int, Any, Any]  # moment, number of the stream, key, row


@dataclass(frozen=True, slots=True)
class Stream:
    """Rows that each stand for one entry at one moment.

    rows: what the request may see. moment: a column that is never null. ends: the column of moments at which the entry
    gave way to a newer one, null while it holds; empty where it always holds. entries: rows -> one entry for each, in
    their order.
    """

    rows: QuerySet[Any]
    moment: str
    entries: Callable[[Sequence[Any]], list[Entry]]
    ends: str = ""

    def within(self, span: Span) -> Stream:
        """Return the part of it that lies in a span of time."""
        rows = self.rows
        if span.until is not None:
            rows = rows.filter(**{f"{self.moment}__lte": span.until})
        if span.since is not None:
            rows = rows.filter(**{f"{self.moment}__gte": span.since})
        if span.at is not None:
            low, high = span.at
            rows = rows.filter(**{f"{self.moment}__lt": high})
            if self.ends:
                rows = rows.filter(Q(**{f"{self.ends}__isnull": True}) | Q(**{f"{self.ends}__gt": low}))
        return Stream(rows, self.moment, self.entries, self.ends)

    def head(self, number: int, limit: int, after: Position | None, newest_first: bool) -> list[Placed]:
        """Return its first rows behind a position of the whole walk."""
        sign = "-" if newest_first else ""
        rows = self.rows.order_by(f"{sign}{self.moment}", f"{sign}pk")
        if after is not None:
            rows = rows.filter(self._beyond(number, after, "lt" if newest_first else "gt", newest_first))
        return [(getattr(row, self.moment), number, row.pk, row) for row in rows[:limit]]

    def _beyond(self, number: int, after: Position, compares: str, newest_first: bool) -> Q:
        moment, place, key = after
        beyond = Q(**{f"{self.moment}__{compares}": moment})
        if number == place:
            return beyond | Q(**{self.moment: moment, f"pk__{compares}": key})
        comes_later = number < int(str(place)) if newest_first else number > int(str(place))
        return beyond | Q(**{self.moment: moment}) if comes_later else beyond


def page_of(streams: Sequence[Stream], limit: int, after: Position | None, *, newest_first: bool = True) -> Found:
    """Return one page of all streams together, ordered by moment, stream and key."""
    rows = [
        placed
        for number, stream in enumerate(streams)
        for placed in stream.head(number, limit + 1, after, newest_first)
    ]
    rows.sort(key=lambda placed: placed[:3], reverse=newest_first)
    kept = rows[:limit]
    by_stream: dict[int, list[int]] = defaultdict(list)
    for place, (_moment, number, _key, _row) in enumerate(kept):
        by_stream[number].append(place)
    made: dict[int, Entry] = {}
    for number, places in by_stream.items():
        made |= zip(places, streams[number].entries([kept[place][3] for place in places]), strict=True)
    entries = [made[place] for place in range(len(kept))]
    return Found(entries, kept[-1][:3] if len(rows) > limit else None)
