"""Django's handle on the package; upper packages connect to lower ones' signals here."""

from __future__ import annotations

from django.apps import AppConfig


class ComplianceConfig(AppConfig):
    """The compliance application."""

    name = "compliance"

    def ready(self) -> None:
        """Connect the handlers and register what the FHIR API serves of this package."""
        from compliance import handlers, named, wrapped
        from compliance.copies.record import register_parts
        from compliance.fhir.types import register_types
        from compliance.services import over_age, person_parts

        register_parts()
        register_types()
        person_parts.register()
        over_age.register()
        handlers.connect()
        wrapped.register()
        named.register()
