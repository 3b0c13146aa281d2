"""`manage.py listen_hl7`: a receiver to try `send_hl7` with."""

from __future__ import annotations

import ssl
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from devices.hl7 import Acknowledgement, Report, Verdict
from devices.hl7.receiver import Receiver


class Command(BaseCommand):
    """Listen inside TLS, accept every report, and count."""

    help = "Receive HL7 v2 reports inside TLS and accept them; prints numbers, never what they say."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=2575)
        parser.add_argument("--certificate", type=Path, required=True, help="PEM file of this receiver")
        parser.add_argument("--key", type=Path, required=True, help="PEM file of its private key")
        parser.add_argument("--client-authority", type=Path, help="demand a client certificate that it signed")

    def handle(
        self, *, host: str, port: int, certificate: Path, key: Path, client_authority: Path | None, **_: object
    ) -> None:
        """Serve until interrupted."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(certificate, key)
            if client_authority:
                context.load_verify_locations(client_authority)
                context.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ssl.SSLError) as error:
            raise CommandError(f"These files are no usable certificate and key: {error}") from error
        with Receiver((host, port), context, self.taker()) as receiver:
            self.stdout.write(f"Listening on {host}:{receiver.server_address[1]}. Ctrl-C ends.")
            try:
                receiver.serve_forever()
            except KeyboardInterrupt:
                self.stdout.write("Stopped.")

    def taker(self) -> Callable[[Report], Acknowledgement]:
        """Return what accepts a report and says that it came."""

        def take(report: Report) -> Acknowledgement:
            self.stdout.write(f"{report.control_id}: {len(report.observations)} observations")
            self.stdout.flush()
            return Acknowledgement(Verdict.ACCEPTED, report.control_id)

        return take
