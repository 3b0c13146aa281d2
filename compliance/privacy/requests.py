"""What a patient may ask of the house about the own record, and by when it answers (GDPR Art. 12(3), 15-18, 20, 21)."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

ANSWER_WITHIN = timedelta(days=30)  # Art. 12(3): within one month
EXTENDED_BY = timedelta(days=60)  # Art. 12(3): two further months, with a reason that the patient is told in time
SOON = timedelta(days=7)


class RequestKind(StrEnum):
    """What is asked for."""

    ACCESS = "access"  # a copy to read or to take elsewhere
    CORRECTION = "correction"
    ERASURE = "erasure"
    RESTRICTION = "restriction"  # keep it, but do not use it
    OBJECTION = "objection"  # against a use that does not rest on consent


class RequestState(StrEnum):
    """Where a request stands. The first two wait for the house."""

    OPEN = "open"
    APPROVED = "approved"  # decided, being carried out
    DONE = "done"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


WAITING = (RequestState.OPEN, RequestState.APPROVED)
# Of these a person has one at a time; corrections and copies may be asked for again while one waits.
ONE_AT_A_TIME = (RequestKind.ERASURE, RequestKind.RESTRICTION, RequestKind.OBJECTION)


def due_at(asked_at: datetime, *, extended: bool = False) -> datetime:
    """Return by when an answer is owed."""
    return asked_at + ANSWER_WITHIN + (EXTENDED_BY if extended else timedelta())
