"""`manage.py device_path SERIAL --gateway NAME`: one more gateway speaks for a device; with --end, no longer."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from compliance.errors import DomainError
from devices.models import Device, DevicePath, Gateway
from devices.services.gateway_files import add_path_to_config
from devices.services.paths import add_path, end_path


class Command(BaseCommand):
    """Let one more gateway speak for a device, or take that back."""

    help = "Let one more gateway speak for a device: what several of them hear is kept once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add which device, which gateway, and which way."""
        parser.add_argument("serial", help="the device's serial number")
        parser.add_argument("--gateway", required=True, help="the further gateway's name")
        parser.add_argument("--end", action="store_true", help="take what it says of the device no longer")
        parser.add_argument("--config", type=Path, help="that gateway's config.json, where that is on this machine")

    def handle(self, *, serial: str, gateway: str, end: bool, config: Path | None, **_: object) -> None:
        """Do it, and say what the gateway has to be told."""
        device = Device.objects.select_related("gateway", "patient").filter(serial=serial).first()
        hub = Gateway.objects.filter(name=gateway).first()
        if device is None or hub is None:
            raise CommandError("There is no such device, or no such gateway.")
        if end:
            self._end(device, hub)
            return
        try:
            with transaction.atomic():
                path, key = add_path(device=device, gateway=hub)
                if config is not None:
                    add_path_to_config(config, path, key)
        except DomainError as error:
            raise CommandError(f"{error.message}.") from error
        self.stdout.write(f"{hub.name} speaks for {device.label} {serial} as number {path.number}.")
        entry = f'{{"device_id": {path.number}, "kind": "{device.kind}"}}'
        there = f"It stands in {config}." if config else f"Put {entry} under devices in that gateway's config.json."
        self.stdout.write(f"{there} Start that gateway again.")

    def _end(self, device: Device, gateway: Gateway) -> None:
        path = DevicePath.objects.filter(device=device, gateway=gateway, ended_at=None).first()
        if path is None:
            raise CommandError(f"{gateway.name} does not speak for {device.label} as a further gateway.")
        end_path(path=path)
        self.stdout.write(f"{gateway.name} speaks for {device.label} {device.serial} no longer.")
