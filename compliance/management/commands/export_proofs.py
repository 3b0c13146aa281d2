"""`manage.py export_proofs`: write proofs from the transparency log into a file, for somebody outside."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Max, Min, QuerySet

from compliance.errors import DomainError, NothingToProve
from compliance.models import LogEntry
from compliance.services.proofs import About, export_proofs
from compliance.verify.strict import Unreadable, read_text


class Command(BaseCommand):
    """Export proofs."""

    help = "Write proofs for one event, one patient or a time into a file that python -m compliance.verify checks."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add what is asked for, and where it goes."""
        parser.add_argument("--event", type=int, help="the number of one event")
        parser.add_argument("--patient", type=UUID, help="a patient's identifier")
        parser.add_argument("--from", dest="since", type=_moment, help="a time such as 2026-01-31T06:00 (UTC)")
        parser.add_argument("--to", dest="until", type=_moment, help="a time")
        parser.add_argument("--old", type=Path, help="a checkpoint that the reader kept from before")
        parser.add_argument("--out", type=Path, required=True, help="the file to make; one that is there is kept")

    def handle(self, *, out: Path, old: Path | None, **asked: object) -> None:
        """Export, and say which keys the reader needs."""
        about = About(asked["event"], asked["patient"], asked["since"], asked["until"])  # type: ignore[arg-type]
        try:
            entries, about = _entries(about)
            kept = read_text(old) if old else None
            bundle = export_proofs(entries, about=about, may_read=lambda _: True, by=None, kept=kept)
            _write(out, json.dumps(bundle, indent=1))
        except (DomainError, Unreadable, OSError) as error:
            raise CommandError(str(error)) from error
        keys = [bundle["keys"]["log"], *bundle["keys"]["witnesses"]]
        self.stdout.write(f"{out}: {bundle['count']} entries.")
        self.stdout.write("Keys, to be given to the reader by another way than the file:\n" + "\n".join(keys))


def _entries(about: About) -> tuple[QuerySet[LogEntry], About]:
    """Return what is asked for. A time without a patient becomes a whole stretch of the log, so that it is complete."""
    found = LogEntry.objects.filter(leaf_index__isnull=False)
    if about.since is not None:
        found = found.filter(at__gte=about.since)
    if about.until is not None:
        found = found.filter(at__lte=about.until)
    if about.event_id is not None:
        return found.filter(event_id=about.event_id), about
    if about.patient_id is not None:
        return found.filter(patient_id=about.patient_id), about
    ends = found.aggregate(first=Min("leaf_index"), last=Max("leaf_index"))
    if ends["first"] is None:
        raise NothingToProve
    stretch = (ends["first"], ends["last"])
    return LogEntry.objects.filter(leaf_index__range=stretch), About(stretch=stretch)


def _moment(word: str) -> datetime:
    try:
        moment = datetime.fromisoformat(word)
    except ValueError as error:
        raise ArgumentTypeError("a time such as 2026-01-31T06:00") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _write(path: Path, text: str) -> None:
    """Make a file that only its owner reads: it holds records of patients."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
