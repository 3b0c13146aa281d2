"""`manage.py make_hospital_key DIR`: the key pair to which scanners seal their studies."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from imaging.errors import StudyMalformed
from imaging.sealing.keys import fingerprint
from imaging.services.keys import ensure_hospital_key


class Command(BaseCommand):
    """Make the hospital's key pair."""

    help = "Make the hospital's imaging key pair in a folder; a pair that is there already is kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the folder."""
        parser.add_argument("folder", type=Path)

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        """Make both files and print which goes where."""
        try:
            files = ensure_hospital_key(folder)
        except (OSError, StudyMalformed) as error:
            raise CommandError(f"The key pair was not made in {folder}: {error}") from error
        self.stdout.write(
            f"Key {fingerprint(files.public.read_bytes())}\n"
            f"{files.public}: for scanners and web processes (IMAGING_HOSPITAL_PUBLIC_KEY_FILE)\n"
            f"{files.seed}: for workers alone (IMAGING_OPENING_KEY_FILE); without it no sealed study can be opened"
        )
