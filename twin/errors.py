"""Named errors of the twin."""

from __future__ import annotations

from compliance.errors import DomainError


class TwinError(DomainError):
    """The twin could not answer."""

    code = "twin_error"


class HistoryWindowWrong(TwinError):
    """A chart asked for an unknown metric, or for a span of time that is empty or too long."""

    code = "history_window_wrong"
