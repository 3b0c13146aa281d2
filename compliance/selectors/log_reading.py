"""Who may read what a log entry says, and the entries that a reader asks for.

Everybody who may look at the log sees that an entry is there, its commitment and its proof. The record of a clinical
entry is shown to those alone who may see the patient's medication.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from compliance.models import Event, EventCategory, LogEntry, User
from compliance.selectors.log import OF_NO_WARD, entries_for
from compliance.selectors.people import scope_for, within_scope

CLINICAL_RIGHT = "compliance.view_adherence"
EVENT, OTHER = "event", "other"  # kinds of an entry: a named event, or what something else committed to
HOUSE = "house"  # what belongs to no patient and no ward
PAGE = 50
OPEN = frozenset(EventCategory) - {EventCategory.CLINICAL}
MayRead = Callable[[LogEntry], bool]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reader asks the log for; nothing asked is everything in sight. category: EventCategory, OTHER or HOUSE."""

    number: int | None = None  # a place in the log, or the number of an event
    category: str = ""
    code: str = ""
    patient_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


def content_of(entry: LogEntry) -> dict[str, Any]:
    """Return what a record says, nothing when it was erased, or changed into something that is no record."""
    try:
        content = json.loads(entry.record or "{}")
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def is_clinical(entry: LogEntry) -> bool:
    """Tell whether a record speaks of care: what is about a patient, but for events known to be of another kind."""
    if entry.kind == EVENT and content_of(entry).get("category") in OPEN:
        return False
    return entry.patient_id is not None


def reading_right(user: User) -> MayRead:
    """Return the question whether `user` may read an entry's record; the entry itself is in sight already."""
    scope = scope_for(user, CLINICAL_RIGHT)
    return lambda entry: not is_clinical(entry) or scope.covers(entry.policy_resource())


def entries_asked(user: User, asked: Asked) -> QuerySet[LogEntry]:
    """Return the entries in sight of `user` that are asked for, newest first.

    Searching by code finds only entries that the reader may read: otherwise the answer would tell what they hold.
    """
    found = entries_for(user).order_by("-pk")
    if asked.number is not None:
        found = found.filter(Q(leaf_index=asked.number) | Q(event_id=asked.number))
    if asked.category == HOUSE:
        found = found.filter(OF_NO_WARD)
    elif asked.category == OTHER:
        found = found.exclude(kind=EVENT)
    elif asked.category:
        # Asked entry by entry, newest first, it ends with the page; a list of all such events would be made first.
        found = found.filter(Exists(Event.objects.filter(pk=OuterRef("event_id"), category=asked.category)))
    if asked.code:
        found = found.filter(event_id__in=_events_readable_by(user).filter(code__startswith=asked.code).values("pk"))
    if asked.patient_id is not None:
        found = found.filter(patient_id=asked.patient_id)
    if asked.since is not None:
        found = found.filter(at__gte=asked.since)
    return found.filter(at__lte=asked.until) if asked.until is not None else found


def _events_readable_by(user: User) -> QuerySet[Event]:
    events = Event.objects.exclude(category=EventCategory.CLINICAL)
    clinical = Event.objects.filter(category=EventCategory.CLINICAL)
    return events | within_scope(clinical, scope_for(user, CLINICAL_RIGHT), "patient", "ward_id")
