"""Django's handle on the package; upper packages connect to lower ones' signals here."""

from __future__ import annotations

from django.apps import AppConfig


class ComplianceConfig(AppConfig):
    """The compliance application."""

    name = "compliance"

    def ready(self) -> None:
        """Connect the handlers."""
        from compliance import handlers

        handlers.connect()
