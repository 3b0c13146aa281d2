"""`manage.py document_devices`: write docs/devices.md from the tables of device kinds."""

from __future__ import annotations

from django.conf import settings
from django.core.management.base import BaseCommand

from devices.kinds.document import as_markdown


class Command(BaseCommand):
    """Write the reference."""

    help = "Write docs/devices.md from the tables of device kinds."

    def handle(self, **_: object) -> None:
        """Write the file."""
        path = settings.BASE_DIR / "docs" / "devices.md"
        path.write_text(as_markdown())
        self.stdout.write(f"Wrote {path.name}.")
