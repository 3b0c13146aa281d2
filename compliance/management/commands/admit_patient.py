"""`manage.py admit_patient`: one patient, or many from a CSV file; the same as the page "Admit a patient"."""

from __future__ import annotations

import csv
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import date
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from compliance.errors import DomainError, PatientTaken
from compliance.management.wards import ward_named
from compliance.models import Ward
from compliance.services.patients import Admission, admit_patient

COLUMNS = [field.name for field in fields(Admission)]
NEEDED = {"medical_record_number", "given_name", "family_name", "birth_date"}


class Command(BaseCommand):
    """Admit patients."""

    help = (
        "Admit patients to a ward from a CSV file, '-' for standard input, with a first line of column names: "
        f"{', '.join(COLUMNS)} (the first four are needed). All or none; records that are there already are left alone."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add ward and file."""
        parser.add_argument("file", help="CSV in UTF-8, or - for standard input: names on a command line are seen")
        parser.add_argument("--ward", required=True)

    def handle(self, *, file: str, ward: str, **_: object) -> None:
        """Admit everybody of the file, or nobody."""
        place, rows = ward_named(ward), _rows(file)
        with transaction.atomic():
            admitted = sum(_admitted(place, number, row) for number, row in enumerate(rows, start=2))
        self.stdout.write(f"{admitted} admitted to {place.name}, {len(rows) - admitted} were there already.")


def _admitted(ward: Ward, number: int, row: Mapping[str, str | None]) -> bool:
    try:
        admit_patient(ward=ward, admission=_admission(row))
    except PatientTaken:
        return False
    except (DomainError, ValueError) as error:
        raise CommandError(f"Line {number}: {error} Nobody was admitted.") from error
    return True


def _rows(file: str) -> list[dict[str, str]]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"'{file}' cannot be read as UTF-8 text.") from error
    reader = csv.DictReader(text.splitlines())
    _check_columns(reader.fieldnames or [])
    return list(reader)


def _check_columns(found: Iterable[str]) -> None:
    unknown, missing = set(found) - set(COLUMNS), NEEDED - set(found)
    if unknown or missing:
        what = [f"unknown: {', '.join(sorted(unknown))}"] * bool(unknown)
        what += [f"missing: {', '.join(sorted(missing))}"] * bool(missing)
        raise CommandError(f"The first line names the columns ({'; '.join(what)}). Known: {', '.join(COLUMNS)}.")


def _admission(row: Mapping[str, str | None]) -> Admission:
    """Return what a line says. Raises ValueError, which names the column, never what stood in it."""
    said = {name: (value or "").strip() for name, value in row.items() if name is not None}
    if None in row:
        raise ValueError("it has more values than columns.")
    try:
        born = date.fromisoformat(said.pop("birth_date"))
    except ValueError:
        raise ValueError("birth_date is not a day as in 1961-05-17.") from None
    weight = said.pop("weight_kg", "")
    try:
        weight_kg = float(weight) if weight else None
    except ValueError:
        raise ValueError("weight_kg is not a number.") from None
    given = {name: value for name, value in said.items() if value or name in NEEDED}
    return Admission(birth_date=born, weight_kg=weight_kg, **given)
