"""The root of every error that Medtwin names.

A service raises a `DomainError`; one middleware (HTTP) or the socket that called (WebSocket) turns it into an answer.
The code is stable and public; the sentence says what happened and what to do next and never carries patient data.
"""

from __future__ import annotations


class DomainError(Exception):
    """An expected failure with a stable code and an HTTP status.

    `permanent` tells a sender whether trying the same thing again can ever work.
    """

    code = "error"
    http_status = 400
    permanent = True

    def __init__(self, message: str = "", **details: object) -> None:
        super().__init__(message or (self.__doc__ or self.code).strip().splitlines()[0])
        self.details = details

    @property
    def message(self) -> str:
        """The sentence for people."""
        return str(self)


class NotPermitted(DomainError):
    """You may not do this. Ask the ward's administrator if you should."""

    code = "not_permitted"
    http_status = 403


class NotFound(DomainError):
    """There is nothing here that you may see."""

    code = "not_found"
    http_status = 404


class SecretUnreadable(DomainError):
    """A stored secret could not be opened: the key is wrong or the bytes were changed."""

    code = "secret_unreadable"
    http_status = 500


class DoseNotOpen(DomainError):
    """This dose cannot be marked now: it is not due yet, it is settled already, or it was due too long ago."""

    code = "dose_not_open"
    http_status = 409


class IntakeNotWithdrawable(DomainError):
    """Only an entry made by hand can be taken back, once, and within twelve hours."""

    code = "intake_not_withdrawable"
    http_status = 409
