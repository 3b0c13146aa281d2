"""What this package keeps under ARCHIVE_KEY, named for whoever exchanges that key."""

from __future__ import annotations

from compliance.keyring import archive_box
from compliance.services.rotation import ARCHIVE, WrappedColumn, register_wrapped
from imaging.models import Study


def register() -> None:
    """Name the column; called once from AppConfig.ready."""
    register_wrapped(WrappedColumn(ARCHIVE, "keys of studies", Study.objects.order_by, "archive_key", archive_box))
