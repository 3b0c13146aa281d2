"""Django's handle on the package; upper packages connect to lower ones' signals here."""

from __future__ import annotations

from django.apps import AppConfig


class ImagingConfig(AppConfig):
    """The imaging application."""

    name = "imaging"

    def ready(self) -> None:
        """Register what the FHIR API serves of this package, and what it holds of people."""
        from imaging import named, wrapped
        from imaging.copies import register_parts
        from imaging.fhir import register_types
        from imaging.services import person_parts

        register_types()
        register_parts()
        wrapped.register()
        named.register()
        person_parts.register()
