"""Remove what is over age now, or say what would be removed: `manage.py remove_over_age [--dry-run]`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from compliance.errors import ScheduleInvalid
from compliance.selectors.retention import held_patients
from compliance.services.retention import due_now, remove_over_age


class Command(BaseCommand):
    """The retention schedule by hand."""

    help = "Remove what the retention schedule says is over age. With --dry-run, print what it would remove."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the dry run."""
        parser.add_argument("--dry-run", action="store_true", help="print a table and remove nothing")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print or do it. Raises CommandError when the schedule cannot be read."""
        try:
            if options["dry_run"]:
                self._print_due()
                return
        except ScheduleInvalid as error:
            raise CommandError(error.message) from error
        run = remove_over_age(now=timezone.now())
        if run.problem:
            raise CommandError(run.problem)
        for kind, removed in run.removed.items():
            self.stdout.write(f"{kind:<20}{removed:>10}")

    def _print_due(self) -> None:
        self.stdout.write(f"{'kind':<20}{'kept':>10}  {'older than':<12}{'to remove':>10}")
        for due in due_now(timezone.now()):
            kept = f"{due.rule.keep_days} d"
            self.stdout.write(f"{due.rule.kind:<20}{kept:>10}  {due.before:%Y-%m-%d}  {due.items:>10}")
        self.stdout.write(f"{len(held_patients())} people under a legal hold are left out.")
