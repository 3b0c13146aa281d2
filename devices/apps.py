"""Django's handle on the package; upper packages connect to lower ones' signals here."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class DevicesConfig(AppConfig):
    """The devices application."""

    name = "devices"

    def ready(self) -> None:
        """Count the energy of what was committed, and have the database keep who wears what and what changes."""
        from devices import named, wrapped
        from devices.copies import register_parts
        from devices.fhir import register_types
        from devices.services import over_age, person_parts
        from devices.services.assignment_triggers import put_up_assignment_triggers
        from devices.services.energy import count_accepted
        from devices.services.registry_watch import put_up_triggers
        from devices.signals import readings_accepted

        register_types()
        wrapped.register()
        named.register()
        person_parts.register()
        over_age.register()
        register_parts()
        readings_accepted.connect(count_accepted, dispatch_uid="devices.energy")
        post_migrate.connect(put_up_triggers, sender=self, dispatch_uid="devices.registry_watch")
        post_migrate.connect(put_up_assignment_triggers, sender=self, dispatch_uid="devices.assignments")
