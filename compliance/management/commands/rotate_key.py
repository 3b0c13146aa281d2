"""`manage.py rotate_key FIELD_KEY`: wrap everything under the present key that lies under the former one."""

from __future__ import annotations

from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from compliance.errors import KeyNotFollowed
from compliance.services.house_keys import stop_on_wrong_keys
from compliance.services.rotation import ARCHIVE, FIELD, Count, rotate


class Command(BaseCommand):
    """Exchange a key while the house runs; killed, it is run again."""

    help = "Wraps everything under FIELD_KEY or ARCHIVE_KEY that still lies under the key in FIELD_KEY_OLD."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the key and whether to change anything."""
        parser.add_argument("key", choices=[FIELD, ARCHIVE])
        parser.add_argument("--dry-run", action="store_true", help="count, and change nothing")

    def handle(self, *, key: str, dry_run: bool, **_: object) -> None:
        """Wrap, showing how far it is. Ends with an error while anything cannot be read."""
        stop_on_wrong_keys()
        counts: dict[str, Count] = {}
        try:
            for count in rotate(key=key, followed=bool(getattr(settings, f"{key}_OLD")), dry_run=dry_run):
                counts[count.label] = count
                self.stdout.write(f"{count.label}: {count.seen} seen, {count.anew} {_word(dry_run)}")
        except KeyNotFollowed as error:
            raise CommandError(error.message) from error
        anew, unreadable = sum(c.anew for c in counts.values()), sum(c.unreadable for c in counts.values())
        if unreadable:
            named = ", ".join(c.label for c in counts.values() if c.unreadable)
            raise CommandError(f"{unreadable} could not be read under either key ({named}): keep both, and look there.")
        if dry_run:
            self.stdout.write(f"{anew} lie under the former key. Nothing was changed.")
            return
        self.stdout.write(f"{anew} wrapped anew. Once every process runs without {key}_OLD, destroy that key.")


def _word(dry_run: bool) -> str:
    return "under the former key" if dry_run else "wrapped anew"
