"""`manage.py register_device SERIAL`: a device behind a gateway, whose keys come from the gateway's pairing."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from compliance.errors import DomainError
from compliance.models import Patient
from compliance.selectors.identities import with_number
from devices.kinds.registry import KINDS
from devices.models import Gateway
from devices.protocol.suites import SUITE_NAMES, SUITES
from devices.services.gateway_files import add_to_config
from devices.services.registry import register_device


class Command(BaseCommand):
    """Register a device."""

    help = "Register a device behind a gateway and put it into that gateway's configuration."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add what the registry wants to know."""
        parser.add_argument("serial", help="the serial number on its label")
        parser.add_argument("--kind", required=True, choices=list(KINDS))
        parser.add_argument("--gateway", required=True, help="the gateway's name")
        parser.add_argument("--label", help="as pages call it; the kind's own word unless given")
        parser.add_argument("--link", default="ble", choices=["ble", "802.15.4", "wifi", "wired"])
        names = [facts.name for facts in SUITES.values()]
        parser.add_argument("--cipher", default=names[0], choices=names, help="what seals its frames")
        parser.add_argument("--record-number", help="the patient who wears it; nobody yet unless given")
        parser.add_argument("--config", type=Path, help="the gateway's config.json, where that is on this machine")

    def handle(
        self,
        *,
        serial: str,
        kind: str,
        gateway: str,
        label: str | None,
        link: str,
        cipher: str,
        record_number: str | None,
        config: Path | None,
        **_: object,
    ) -> None:
        """Register and write it down; neither without the other, and whoever reads what is printed."""
        hub = Gateway.objects.filter(name=gateway).first()
        if hub is None:
            raise CommandError(f"There is no gateway '{gateway}': `manage.py register_gateway` makes one.")
        try:
            with transaction.atomic():
                device, key = register_device(
                    serial=serial,
                    kind=kind,
                    label=label or KINDS[kind].label,
                    gateway=hub,
                    patient=patient_numbered(record_number),
                    link=link,
                    suite=SUITE_NAMES[cipher],
                )
                if config is not None:
                    add_to_config(config, device, key)
        except DomainError as error:
            raise CommandError(f"{error.message}.") from error
        self.stdout.write(f"Device {device.pk}, {device.label} {serial}, is registered.")
        entry = f'{{"device_id": {device.pk}, "kind": "{kind}"}}'
        there = f"It stands in {config}." if config else f"Put {entry} under devices in the gateway's config.json."
        self.stdout.write(f"{there} Start that gateway again.")


def patient_numbered(record_number: str | None) -> Patient | None:
    """Return the patient, or None for None. Raises CommandError, which repeats no number: screens are shared."""
    if record_number is None:
        return None
    found = with_number(record_number).first()
    if found is None:
        raise CommandError("No patient has this record number.")
    return found
