"""Words for patients' requests, for those who answer and for the patient."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from compliance.models import PrivacyRequest
from compliance.privacy.requests import RequestKind, RequestState

KINDS = {
    RequestKind.ACCESS: "A copy of the record",
    RequestKind.CORRECTION: "A correction",
    RequestKind.ERASURE: "Erasure of the record",
    RequestKind.RESTRICTION: "Keep it, but stop using it",
    RequestKind.OBJECTION: "Objection to a use",
}
STATES = {
    RequestState.OPEN: "To decide",
    RequestState.APPROVED: "Being carried out",
    RequestState.DONE: "Done",
    RequestState.REFUSED: "Refused",
    RequestState.WITHDRAWN: "Taken back",
}
OWN_STATES = STATES | {RequestState.OPEN: "Waiting for an answer"}
# A kind with a page of its own names its route here; the others share one.
PAGES: dict[str, str] = {
    RequestKind.ERASURE: "compliance:erasure",
    RequestKind.CORRECTION: "compliance:correction",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One request as a line of the queue."""

    request: PrivacyRequest
    kind: str
    state: str
    url: str
    late: bool
    soon: bool
    days_left: int


def line_of(request: PrivacyRequest, now: datetime) -> Line:
    """Say one request in words."""
    return Line(
        request=request,
        kind=KINDS[RequestKind(request.kind)],
        state=STATES[RequestState(request.state)],
        url=reverse(PAGES.get(request.kind, "compliance:privacy_request"), args=[request.pk]),
        late=request.overdue(now),
        soon=request.due_soon(now),
        days_left=(request.due_at - now).days,
    )
