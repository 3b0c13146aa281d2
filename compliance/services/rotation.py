"""Exchange FIELD_KEY or ARCHIVE_KEY while the house runs: wrap every key anew that lies under it; what those keys
protect is not touched.

Each package names its columns (`register_wrapped`). Rows go in batches, each in a transaction of its own, so that
a run that was killed is simply run again: what lies under the present key already is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Model, QuerySet

from compliance.errors import KeyNotFollowed, SecretUnreadable
from compliance.models import EventCategory
from compliance.secretbox import SecretBox
from compliance.services.events import record_event

BATCH = 200
FIELD, ARCHIVE = "FIELD_KEY", "ARCHIVE_KEY"


def _as_bytes(value: Any) -> bytes:
    return bytes(value)


def _as_is(_value: Any, sealed: bytes) -> Any:
    return sealed


def _no_context(_pk: Any) -> bytes:
    return b""


@dataclass(frozen=True, slots=True)
class WrappedColumn:
    """Where something lies that is wrapped under a key of the house.

    rows: those that hold one. box: that opens them. context: of a row's primary key. load and store: between the
    column's value and the wrapped bytes.
    """

    key: str
    label: str
    rows: Callable[[], QuerySet[Any]]
    field: str
    box: Callable[[], SecretBox]
    context: Callable[[Any], bytes] = _no_context
    load: Callable[[Any], bytes] = _as_bytes
    store: Callable[[Any, bytes], Any] = _as_is


@dataclass(slots=True)
class Count:
    """How many rows of a column were found: wrapped anew (or to be), under the present key already, unreadable."""

    label: str
    anew: int = 0
    present: int = 0
    unreadable: int = 0

    @property
    def seen(self) -> int:
        """All of them."""
        return self.anew + self.present + self.unreadable


_COLUMNS: dict[str, WrappedColumn] = {}


def register_wrapped(column: WrappedColumn) -> None:
    """Add a column; the same label again replaces it."""
    _COLUMNS[column.label] = column


def columns_under(key: str) -> list[WrappedColumn]:
    """Return what lies under FIELD_KEY or ARCHIVE_KEY."""
    return [column for column in _COLUMNS.values() if column.key == key]


def rotate(*, key: str, followed: bool, dry_run: bool = False, batch: int = BATCH) -> Iterator[Count]:
    """Wrap everything under the present key, yielding after each batch how far its column is.

    followed: a former key is set. Raises KeyNotFollowed without one, unless nothing is to be changed.
    """
    if not followed and not dry_run:
        raise KeyNotFollowed(f"{key}_OLD is not set: there is no former key to exchange {key} for.")
    if not dry_run:
        _note(key, "key_rotation_began", "Wrapping under a new key began.")
    counts = []
    for column in columns_under(key):
        count = Count(column.label)
        counts.append(count)
        for _ in _through(column, count, dry_run, batch):
            yield count
    if not dry_run:
        totals = {"anew": sum(c.anew for c in counts), "unreadable": sum(c.unreadable for c in counts)}
        _note(key, "key_rotation_finished", "Everything readable lies under the new key.", **totals)


def _through(column: WrappedColumn, count: Count, dry_run: bool, batch: int) -> Iterator[None]:
    after: Any = None
    while True:
        with transaction.atomic():
            rows = column.rows().order_by("pk")
            rows = rows.select_for_update(of=("self",), no_key=True) if not dry_run else rows
            page = rows if after is None else rows.filter(pk__gt=after)
            found = list(page.values_list("pk", column.field)[:batch])
            for pk, value in found:
                _rewrap(column, count, pk, value, dry_run)
        if not found:
            return
        after = found[-1][0]
        yield


def _rewrap(column: WrappedColumn, count: Count, pk: Any, value: Any, dry_run: bool) -> None:
    try:
        sealed = column.box().rewrapped(column.load(value), column.context(pk))
    except SecretUnreadable:
        count.unreadable += 1
        return
    if sealed is None:
        count.present += 1
        return
    count.anew += 1
    if not dry_run:
        model: type[Model] = column.rows().model
        model._default_manager.filter(pk=pk).update(**{column.field: column.store(value, sealed)})


def _note(key: str, code: str, message: str, **detail: object) -> None:
    record_event(category=EventCategory.SECURITY, code=code, message=message, detail={"key": key, **detail})
