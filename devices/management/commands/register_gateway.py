"""`manage.py register_gateway NAME --ward W`: a gateway, and the address with which it pairs itself."""

from __future__ import annotations

import io
from argparse import ArgumentParser
from pathlib import Path

import segno
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from compliance.errors import DomainError
from compliance.management.wards import ward_named
from devices.services.gateway_files import pair_folder
from devices.services.pairing import CODE_FOR, begin_pairing
from devices.services.registry import register_gateway


class Command(BaseCommand):
    """Register a gateway."""

    help = "Register a gateway and print the address with which it pairs itself, or pair a folder on this machine."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add name, ward, and how it is paired."""
        parser.add_argument("name", help="as pages and alarms call it")
        parser.add_argument("--ward", required=True)
        parser.add_argument("--link", default="wifi", choices=["wifi", "ethernet", "lte-m"], help="radio to the server")
        parser.add_argument(
            "--server", help="https://HOST: print an address to pair with; with --folder: the line, wss: or mqtts:"
        )
        parser.add_argument("--folder", type=Path, help="pair this folder at once: the gateway runs on this machine")
        parser.add_argument("--ca-file", default="", help="with --folder: the hospital's own authority of TLS")

    def handle(
        self,
        *,
        name: str,
        ward: str,
        link: str,
        folder: Path | None,
        server: str | None,
        ca_file: str,
        **_: object,
    ) -> None:
        """Register, pair or print the address, and say what comes next."""
        if folder is not None and server is None:
            raise CommandError("--folder wants --server as well: the configuration says whom the gateway calls.")
        if folder is None and server is not None and not server.startswith(("https://", "http://")):
            raise CommandError("Without --folder, --server is where a browser finds us: https://HOST.")
        place = ward_named(ward)
        try:
            with transaction.atomic():
                gateway = register_gateway(name=name, ward=place, link=link)
                config = pair_folder(folder, gateway, server=server or "", ca_file=ca_file) if folder else None
                alone = server is not None and folder is None
                address = begin_pairing(owner=gateway, server=(server or "").rstrip("/")).address if alone else None
        except DomainError as error:
            raise CommandError(f"{error.message}.") from error
        self.stdout.write(f"Gateway {gateway.pk}, '{name}', is registered on {place.name}.")
        if config is not None:
            self.stdout.write(f"{config}: add devices with `manage.py register_device --config {config}`,")
            self.stdout.write("and name the plant that reads them.")
        elif address is not None:
            picture = io.StringIO()
            segno.make(address.uri(), error="m").terminal(picture, compact=True)
            self.stdout.write(picture.getvalue())
            self.stdout.write(f"On the gateway, within {CODE_FOR.seconds // 60} minutes, in a folder of its own:")
            self.stdout.write(f"python -m devices.gateway pair '{address.uri()}'")
        else:
            self.stdout.write("It connects once it is paired: its page makes the code.")
