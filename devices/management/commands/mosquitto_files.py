"""`manage.py mosquitto_files DIR --url mqtts://BROKER`: a broker that knows everybody by a certificate."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from devices.gateway.identity import IdentityUnusable
from devices.services.broker_files import write_certificates
from devices.transport.address import AddressWrong, parse_address
from devices.transport.mosquitto import CONFIG, RIGHTS, configuration, rights


class Command(BaseCommand):
    """Write Mosquitto's configuration and access list."""

    help = "Write configuration, access list and certificates for a Mosquitto that knows everybody by a certificate."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add where to write, for which address and for how many bridges."""
        parser.add_argument("folder", type=Path, help="where to write, and where Mosquitto finds its files")
        parser.add_argument("--url", default="", help="mqtts://BROKER:8883/prefix; MQTT_URL unless given")
        parser.add_argument("--listen", default="", help="the address that Mosquitto listens on; all unless given")
        parser.add_argument("--bridges", type=int, default=2, help="how many serve_mqtt run: bridge-1, bridge-2 ...")

    def handle(self, *, folder: Path, url: str, listen: str, bridges: int, **_: object) -> None:
        """Write the files; again, it renews what is due and the list of what was taken back."""
        try:
            address = parse_address(url or settings.MQTT_URL)
        except AddressWrong as error:
            raise CommandError(error.message) from error
        if not address.tls or bridges < 1:
            raise CommandError("Certificates need an mqtts:// address, and somebody has to be the bridge.")
        names = [f"bridge-{number + 1}" for number in range(bridges)]
        folder = folder.resolve()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / CONFIG).write_text(configuration(folder, address, listen=listen))
            (folder / RIGHTS).write_text(rights(address, names))
            new = write_certificates(folder, host=address.host, bridges=names)
        except IdentityUnusable as error:
            raise CommandError(f"Cannot write to {folder}: {error.message}.") from error
        except OSError as error:
            raise CommandError(f"Cannot write to {folder}: {error.strerror}.") from error
        self.stdout.write(f"{folder / CONFIG} and {folder / RIGHTS} are written.")
        self.stdout.write(f"Issued: {', '.join(new)}." if new else "No certificate had to be issued.")
        self.stdout.write(f"Certificates name gateways by their number, and bridges {', '.join(names)}.")
