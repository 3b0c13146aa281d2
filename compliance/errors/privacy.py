"""What patients decide and ask, and how a record ends."""

from __future__ import annotations

from compliance.errors.root import DomainError


class UnknownPurpose(DomainError):
    """There is no such use of a record to decide about."""

    code = "unknown_purpose"


class DecisionMissing(DomainError):
    """Say yes or no. Load the page again and use the switch."""

    code = "decision_missing"


class TextOutdated(DomainError):
    """The words have changed since you read them. Load the page again and decide once more."""

    code = "consent_text_outdated"
    http_status = 409


class RequestWaits(DomainError):
    """You asked for this already, and it waits for its answer. There is nothing more to do."""

    code = "request_waits"
    http_status = 409


class RequestSettled(DomainError):
    """This request does not wait any more: somebody decided it. Open it again to see how."""

    code = "request_settled"
    http_status = 409


class OwnRequest(DomainError):
    """Who entered a request does not decide it. Ask another person who answers for privacy."""

    code = "own_request"
    http_status = 403


class ScheduleInvalid(DomainError):
    """The retention schedule cannot be read. Nothing is removed until it can."""

    code = "schedule_invalid"


class ErasureHeld(DomainError):
    """A legal hold lies on this record. Nothing of it is erased until somebody lifts the hold."""

    code = "erasure_held"
    http_status = 409


class ErasureObstructed(DomainError):
    """This record cannot be erased now."""

    code = "erasure_obstructed"
    http_status = 409


class AlreadyErased(DomainError):
    """This record is erased, or its erasure is under way. There is nothing more to do."""

    code = "already_erased"
    http_status = 409


class ErasureWaits(DomainError):
    """New entries have no place in the log yet. The erasure goes on by itself in a minute."""

    code = "erasure_waits"
    http_status = 409
    permanent = False
