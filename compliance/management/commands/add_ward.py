"""`manage.py add_ward NAME`: a ward, where patients lie and gateways hang. Again is harmless."""

from __future__ import annotations

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from compliance.models import EventCategory, Ward
from compliance.services.events import record_event


class Command(BaseCommand):
    """Add a ward."""

    help = "Add a ward (idempotent), or list those that are there when no name is given."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the name."""
        parser.add_argument("name", nargs="?")

    @transaction.atomic
    def handle(self, *, name: str | None, **_: object) -> None:
        """Make the ward, keep the fact, and list all."""
        if name is not None:
            name = " ".join(name.split())
            if not 0 < len(name) <= 80:
                raise CommandError("A ward's name has from 1 to 80 characters.")
            ward, made = Ward.objects.get_or_create(name=name)
            if made:
                record_event(
                    category=EventCategory.OPERATION, code="ward_added", message="A ward was added.", ward_id=ward.pk
                )
        for ward in Ward.objects.order_by("name"):
            self.stdout.write(ward.name)
