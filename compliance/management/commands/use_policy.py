"""`manage.py use_policy FILE | --house`: check a policy and let it decide. The way out when no page opens any more."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from compliance.errors import DomainError
from compliance.services.policy import activate, put_down


class Command(BaseCommand):
    """Let another policy decide."""

    help = "Check a policy file and let it decide; with --house, the policy that comes with the house."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the file or --house."""
        choice = parser.add_mutually_exclusive_group(required=True)
        choice.add_argument("file", nargs="?", type=Path)
        choice.add_argument("--house", action="store_true")

    def handle(self, *, file: Path | None, house: bool, **_: object) -> None:
        """Check, keep and activate."""
        now = timezone.now()
        try:
            note = "by command"
            version = put_down(text=file.read_text("utf-8"), note=note, by=None, now=now) if file else None
            activate(version=version, by=None, now=now)
        except (DomainError, OSError, UnicodeDecodeError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write("The policy of the house decides." if house else f"Version {version and version.pk} decides.")
