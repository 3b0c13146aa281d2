"""The composition root's handle: loads Celery and connects to the lower packages' signals."""

from __future__ import annotations

from django.apps import AppConfig


class TwinConfig(AppConfig):
    """The twin application."""

    name = "twin"

    def ready(self) -> None:
        """Load the Celery application, so that `shared_task` finds it, and connect the handlers."""
        from twin import handlers, named
        from twin.celery import app
        from twin.copies import register_parts
        from twin.fhir import register_types
        from twin.services import person_parts

        register_types()
        person_parts.register()
        named.register()
        register_parts()

        handlers.connect()
        self.celery = app
