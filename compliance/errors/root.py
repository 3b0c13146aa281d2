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
