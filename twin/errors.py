"""Named errors of the twin."""

from __future__ import annotations

from compliance.errors import DomainError


class TwinError(DomainError):
    """The twin could not answer."""

    code = "twin_error"
