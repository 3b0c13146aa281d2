"""Named errors of the imaging path."""

from __future__ import annotations

from compliance.errors import DomainError


class ImagingError(DomainError):
    """An image could not be handled."""

    code = "imaging_error"
