"""`manage.py serve_mqtt`: serves the gateways that come through the MQTT broker of settings.MQTT_URL."""

from __future__ import annotations

import asyncio
import signal
import ssl
from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from compliance.services.house_keys import stop_on_wrong_keys
from devices.services.mqtt_serving import serve
from devices.transport.address import AddressWrong, BrokerAddress, parse_address
from devices.transport.broker import LibraryMissing, require_library


class Command(BaseCommand):
    """Run the bridge until SIGTERM or SIGINT."""

    help = "Serve the gateways that speak MQTT 5 through the broker of MQTT_URL; several share the load."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the files of TLS."""
        parser.add_argument("--ca", type=Path, help="authorities of the broker's certificate, PEM; else the system's")
        parser.add_argument("--certificate", type=Path, help="this bridge's certificate, PEM, which names it")
        parser.add_argument("--key", type=Path, help="its private key, PEM; unless it stands with the certificate")

    def handle(self, *, ca: Path | None, certificate: Path | None, key: Path | None, **_: object) -> None:
        """Check what is needed, then serve."""
        if not settings.MQTT_URL:
            raise CommandError("MQTT_URL is not set: name the broker, such as mqtts://user:password@broker:8883.")
        try:
            require_library()
            address = parse_address(settings.MQTT_URL)
        except (AddressWrong, LibraryMissing) as error:
            raise CommandError(f"MQTT_URL: {error.message}") from error
        try:
            tls = ssl.create_default_context(cafile=ca)
            if certificate is not None:
                tls.load_cert_chain(certificate, key)
        except OSError as error:
            raise CommandError(f"Cannot use the files of TLS: {error.strerror or error}.") from error
        stop_on_wrong_keys()
        asyncio.run(_serve(address, tls))


async def _serve(address: BrokerAddress, tls: ssl.SSLContext) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(address, stop, tls)
