"""Keep a named fact, and commit to it in the transparency log.

A flood of the same fact within a minute, or as long as its caller says, stays one row that counts; the log holds that
it began, not the count.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from compliance.errors import DomainError
from compliance.models import Event, EventCategory, Patient, User
from compliance.services.log import append_events

log = logging.getLogger(__name__)
FOLD_WITHIN = timedelta(minutes=1)
_refusals: ContextVar[list[dict[str, Any]] | None] = ContextVar("refusals", default=None)


def record_event(
    *,
    category: EventCategory,
    code: str,
    message: str,
    patient: Patient | None = None,
    ward_id: int | None = None,
    user: User | None = None,
    device_id: int | None = None,
    gateway_id: int | None = None,
    detail: dict[str, object] | None = None,
    fold: bool = False,
    fold_within: timedelta = FOLD_WITHIN,
) -> Event:
    """Store the fact and return it.

    With `fold`, the same code from the same device, gateway or person within a minute, or `fold_within`, adds to the
    count of the row that is there, so that an attacker cannot fill the disk.
    """
    log.info("event %s %s device=%s gateway=%s", category, code, device_id, gateway_id)
    with transaction.atomic():
        if fold:
            recent = Event.objects.filter(
                code=code,
                device_id=device_id,
                gateway_id=gateway_id,
                patient=patient,
                user=user,
                at__gte=timezone.now() - fold_within,
            ).first()
            if recent is not None:
                Event.objects.filter(pk=recent.pk).update(count=F("count") + 1)
                recent.refresh_from_db(fields=["count"])
                return recent
        event = Event.objects.create(
            category=category,
            code=code,
            message=message[:240],
            patient=patient,
            ward_id=ward_id if ward_id is not None else (patient.ward_id if patient else None),
            user=user,
            device_id=device_id,
            gateway_id=gateway_id,
            detail=detail or {},
        )
        append_events([event])
        return event


def record_events(events: Sequence[Event]) -> None:
    """Store many facts of one act, all or none, in a number of queries that does not grow with them."""
    if not events:
        return
    log.info("events %s %s times", events[0].code, len(events))
    with transaction.atomic():
        append_events(Event.objects.bulk_create(events))


def record_error(error: DomainError, *, category: EventCategory, **where: Any) -> Event:
    """Store a refused input under the code of its error, folded."""
    return record_event(category=category, code=error.code, message=error.message, fold=True, **where)


def record_refusal(**facts: Any) -> None:
    """Store a refusal as `record_event` does, so that it outlasts the transaction that it may end."""
    record_event(**facts)
    if (waiting := _refusals.get()) is not None:
        waiting.append(facts)


@contextmanager
def refusals_outlast() -> Iterator[None]:
    """Surround a transaction whose rollback would take refusals with it: those are then recorded once more.

    The outermost of several decides, since only it stands outside of every transaction.
    """
    if _refusals.get() is not None:
        yield
        return
    waiting: list[dict[str, Any]] = []
    token = _refusals.set(waiting)
    try:
        yield
    except Exception:
        for facts in waiting:
            record_event(**facts)
        raise
    finally:
        _refusals.reset(token)
