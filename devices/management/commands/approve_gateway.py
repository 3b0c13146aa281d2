"""`manage.py approve_gateway NAME`: approve what a gateway showed last; from then on it connects with that alone."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from devices.models import Gateway
from devices.services.attestation import NothingMeasured, approve_measurement


class Command(BaseCommand):
    """Approve the measurement of a gateway's software and configuration."""

    help = "Approve what a gateway runs: with anything else it is quarantined from then on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the gateway's name."""
        parser.add_argument("name", help="the gateway's name")

    def handle(self, *args: Any, **options: Any) -> None:
        """Approve, and print the digests."""
        gateway = Gateway.objects.filter(name=options["name"]).first()
        if gateway is None:
            raise CommandError(f"no gateway is named {options['name']}")
        try:
            approved = approve_measurement(gateway=gateway)
        except NothingMeasured as error:
            raise CommandError("it has shown no measurement yet: pair it, and let it connect once") from error
        self.stdout.write(f"approved: code {approved.code}, configuration {approved.configuration}")
