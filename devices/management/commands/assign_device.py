"""`manage.py assign_device SERIAL`: say who wears a device from now on; the same as on the device's page."""

from __future__ import annotations

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from devices.management.commands.register_device import patient_numbered
from devices.models import Device
from devices.services.registry import assign_device


class Command(BaseCommand):
    """Put a device on a patient, or take it off."""

    help = "Put a device on a patient, or take it off; what it measures from now on is theirs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add device and wearer."""
        parser.add_argument("serial")
        wearer = parser.add_mutually_exclusive_group(required=True)
        wearer.add_argument("--record-number", help="the patient who wears it")
        wearer.add_argument("--nobody", action="store_true", help="take it off")

    def handle(self, *, serial: str, record_number: str | None, **_: object) -> None:
        """Assign."""
        device = Device.objects.filter(serial=serial).first()
        if device is None:
            raise CommandError(f"No device has the serial number {serial}.")
        moved = assign_device(device=device, patient=patient_numbered(record_number))
        self.stdout.write(f"{moved.label} {serial} is worn by {'somebody' if moved.patient_id else 'nobody'} now.")
