"""Named errors of the twin."""

from __future__ import annotations

from compliance.errors import DomainError


class TwinError(DomainError):
    """The twin could not answer."""

    code = "twin_error"


class HistoryWindowWrong(TwinError):
    """A chart asked for an unknown metric, or for a span of time that is empty or too long."""

    code = "history_window_wrong"


class ConnectionTooSlow(TwinError):
    """A request came so slowly that its connection was ended."""

    code = "connection_too_slow"


class ConnectionCrowdedOut(TwinError):
    """Too many connections waited at once; this one had waited longest and was ended."""

    code = "connection_crowded_out"


class MessageTooLong(TwinError):
    """A page sent more in one message than any page of ours does."""

    code = "message_too_long"
