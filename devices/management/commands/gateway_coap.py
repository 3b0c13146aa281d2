"""`manage.py gateway_coap GATEWAY --out FILE`: a secret for a gateway without a pairing that is to speak CoAP."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from devices.gateway.identity import write_private
from devices.models import Gateway
from devices.services.coap_secrets import SecretFromPairing, renew_secret


class Command(BaseCommand):
    """Renew a gateway's secret."""

    help = "Give a gateway that was never paired a fresh secret for CoAP; the former one ends within seconds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add which gateway and where the secret goes."""
        parser.add_argument("gateway", type=int, help="the gateway's number")
        parser.add_argument("--out", type=Path, required=True, help="file to write; the gateway's coap_secret_file")

    def handle(self, *, gateway: int, out: Path, **_: object) -> None:
        """Renew, write the file, and say what comes next."""
        try:
            with transaction.atomic():
                secret = renew_secret(Gateway.objects.get(pk=gateway))
                write_private(out, secret.hex().encode())
        except SecretFromPairing as error:
            raise CommandError(error.message) from error
        except Gateway.DoesNotExist as error:
            raise CommandError(f"There is no gateway {gateway}.") from error
        except OSError as error:
            raise CommandError(f"Cannot write {out}: {error.strerror}.") from error
        self.stdout.write(f"{out}: bring it to gateway {gateway} as its coap_secret_file, then remove it here.")
