"""Take a patient's request about the own record, decide it, and answer. What a kind does beyond that is elsewhere.

A request goes nowhere by itself: `decide` says yes or no, and whoever carries it out calls `close`.
"""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from compliance.errors import NotFound, OwnRequest, ReasonNeeded, RequestSettled, RequestWaits
from compliance.models import EventCategory, Patient, PrivacyRequest, User
from compliance.privacy.purposes import How
from compliance.privacy.requests import RequestKind, RequestState, due_at
from compliance.services.events import record_event

MOST_WORDS = 2000


@transaction.atomic
def ask(*, patient: Patient, kind: RequestKind, user: User, how: How, words: str, now: datetime) -> PrivacyRequest:
    """Take a request and return it; the answer is owed within 30 days. Raises RequestWaits."""
    try:
        with transaction.atomic():
            request = PrivacyRequest.objects.create(
                patient=patient, kind=kind, asked_by=user, how=how, words=words.strip()[:MOST_WORDS], asked_at=now,
                due_at=due_at(now),
            )  # fmt: skip
    except IntegrityError as error:
        raise RequestWaits from error
    _tell(request, "privacy_requested", "A patient asked something about the own record.", user)
    return request


@transaction.atomic
def decide(*, request: PrivacyRequest, by: User, granted: bool, answer: str, now: datetime) -> PrivacyRequest:
    """Say yes (it is then to be carried out) or no, for good, and return the request.

    Raises OwnRequest for who asked, RequestSettled for one that does not wait, ReasonNeeded for a no without a reason.
    """
    locked = _waiting(request, RequestState.OPEN)
    if locked.asked_by_id == by.pk:
        raise OwnRequest
    if not granted and not answer.strip():
        raise ReasonNeeded("Say why not, so that the patient understands it and can complain.")
    locked.state = RequestState.APPROVED if granted else RequestState.REFUSED
    locked.answer, locked.decided_by, locked.decided_at = answer.strip()[:MOST_WORDS], by, now
    locked.closed_at = None if granted else now
    locked.save(update_fields=["state", "answer", "decided_by", "decided_at", "closed_at"])
    words = "was granted." if granted else "was refused."
    _tell(locked, f"privacy_request_{locked.state}", f"A patient's request {words}", by)
    return locked


@transaction.atomic
def close(*, request: PrivacyRequest, by: User | None, now: datetime, answer: str | None = None) -> PrivacyRequest:
    """Note that what was granted is carried out; `answer` replaces what the patient reads. Raises RequestSettled."""
    locked = _waiting(request, RequestState.APPROVED)
    locked.state, locked.closed_at = RequestState.DONE, now
    locked.answer = locked.answer if answer is None else answer.strip()[:MOST_WORDS]
    locked.save(update_fields=["state", "closed_at", "answer"])
    _tell(locked, "privacy_request_done", "A patient's request is carried out.", by)
    return locked


@transaction.atomic
def withdraw(*, request: PrivacyRequest, user: User, now: datetime) -> PrivacyRequest:
    """Take a request back that nobody decided yet. Raises NotFound for another's, and RequestSettled."""
    if user.own_patient_id != request.patient_id and request.asked_by_id != user.pk:
        raise NotFound
    locked = _waiting(request, RequestState.OPEN)
    locked.state, locked.closed_at = RequestState.WITHDRAWN, now
    locked.save(update_fields=["state", "closed_at"])
    _tell(locked, "privacy_request_withdrawn", "A patient's request was taken back.", user)
    return locked


@transaction.atomic
def extend(*, request: PrivacyRequest, by: User, because: str, now: datetime) -> PrivacyRequest:
    """Take two more months, once and with a reason that the patient reads. Raises ReasonNeeded and RequestSettled."""
    if not because.strip():
        raise ReasonNeeded("Say why it takes longer; the patient reads it.")
    locked = _waiting(request, RequestState.OPEN, RequestState.APPROVED)
    if locked.extended_because or now > locked.due_at:
        raise RequestSettled("The time can be extended once, and only before it is over.")
    locked.extended_because, locked.due_at = because.strip()[:240], due_at(locked.asked_at, extended=True)
    locked.save(update_fields=["extended_because", "due_at"])
    _tell(locked, "privacy_request_extended", "A patient's request takes two months longer.", by)
    return locked


def _waiting(request: PrivacyRequest, *states: RequestState) -> PrivacyRequest:
    locked = PrivacyRequest.objects.select_for_update().get(pk=request.pk)
    if locked.state not in states:
        raise RequestSettled
    return locked


def _tell(request: PrivacyRequest, code: str, message: str, user: User | None) -> None:
    record_event(
        category=EventCategory.SECURITY,
        code=code,
        message=message,
        patient=request.patient if request.ward_id is None else None,  # a closed record is written about no more
        ward_id=request.ward_id,
        user=user,
        detail={"request": str(request.pk), "kind": str(request.kind), "how": str(request.how)},
    )
