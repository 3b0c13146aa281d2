"""`manage.py serve_mqtt`: serves the gateways that come through the MQTT broker of settings.MQTT_URL."""

from __future__ import annotations

import asyncio
import signal

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from devices.services.mqtt_serving import serve
from devices.transport.address import AddressWrong, BrokerAddress, parse_address
from devices.transport.broker import LibraryMissing, require_library


class Command(BaseCommand):
    """Run the bridge until SIGTERM or SIGINT."""

    help = "Serve the gateways that speak MQTT 5 through the broker of MQTT_URL; run exactly one for each broker."

    def handle(self, **_: object) -> None:
        """Check what is needed, then serve."""
        if not settings.MQTT_URL:
            raise CommandError("MQTT_URL is not set: name the broker, such as mqtts://user:password@broker:8883.")
        try:
            require_library()
            address = parse_address(settings.MQTT_URL)
        except (AddressWrong, LibraryMissing) as error:
            raise CommandError(f"MQTT_URL: {error.message}") from error
        asyncio.run(_serve(address))


async def _serve(address: BrokerAddress) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(address, stop)
