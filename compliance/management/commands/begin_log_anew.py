"""`manage.py begin_log_anew --keep FILE`: after a restored backup, or a new LOG_KEY; see docs/deploy.md."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from compliance.errors import DomainError
from compliance.services.log_anew import begin_anew
from compliance.services.log_keys import log_signer


class Command(BaseCommand):
    """Begin the log anew."""

    help = "Let the log go on under a new LOG_ORIGIN or LOG_KEY; older heads go to a file. Stop run_log first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the file."""
        parser.add_argument("--keep", type=Path, required=True, help="where the heads of the former name or key go")

    def handle(self, *, keep: Path, **_: object) -> None:
        """Begin, and say what comes next."""
        try:
            heads = begin_anew(memory=settings.HOME / "run" / "log.seen", kept=keep)
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{heads} heads are in {keep}, which proves what was. Remove run/log.seen on other hosts.")
        self.stdout.write("Give witnesses the new key, beside the old one, then start run_log:")
        self.stdout.write(log_signer().verifier.encoded())
