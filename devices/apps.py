"""Django's handle on the package; upper packages connect to lower ones' signals here."""

from __future__ import annotations

from django.apps import AppConfig


class DevicesConfig(AppConfig):
    """The devices application."""

    name = "devices"

    def ready(self) -> None:
        """Count the energy of what was committed."""
        from devices.services.energy import count_accepted
        from devices.signals import readings_accepted

        readings_accepted.connect(count_accepted, dispatch_uid="devices.energy")
