"""`manage.py serve_coap`: serves the gateways that speak CoAP under OSCORE."""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from compliance.services.house_keys import stop_on_wrong_keys
from devices.transport.coap_address import COAP_PORT, CoapLibraryMissing, require_coap


class Command(BaseCommand):
    """Listen until SIGTERM or SIGINT."""

    help = "Serve the gateways that speak CoAP over UDP, protected by OSCORE (RFC 7252, RFC 8613)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add where to listen."""
        parser.add_argument("--host", default="0.0.0.0", help="address to listen on, :: for IPv6")  # noqa: S104
        parser.add_argument("--port", type=int, default=COAP_PORT, help=f"UDP port, {COAP_PORT} unless given")

    def handle(self, *, host: str, port: int, **_: object) -> None:
        """Check what is needed, then serve."""
        try:
            require_coap()
        except CoapLibraryMissing as error:
            raise CommandError(error.message) from error
        stop_on_wrong_keys()
        try:
            asyncio.run(_serve(host, port))
        except OSError as error:
            raise CommandError(f"Cannot listen on {host}, UDP port {port}: {error.strerror}.") from error


async def _serve(host: str, port: int) -> None:
    from devices.services.coap_serving import serve  # needs aiocoap

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(host, port, stop)
