"""`manage.py send_samples`: send the sample studies to the demonstration's patients, through the same sealed path."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

import msgspec
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from compliance.models import Patient
from compliance.selectors.identities import by_number
from imaging.agent import read_note
from imaging.models import Study
from imaging.services.samples import write_samples
from imaging.services.scanner import scanner_identity, send


class Command(BaseCommand):
    """Send each sample once; what was sent before is left alone."""

    help = "Send the sample studies to the demonstration's patients (idempotent)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the server."""
        parser.add_argument("--server", default="", help="upload over HTTP to this address instead of in this process")

    def handle(self, *, server: str, **_: object) -> None:
        """Write the samples and send those that no patient has yet."""
        if not settings.DEMO:
            raise CommandError("This is not a demonstration: set MEDTWIN_DEMO=yes to put sample studies here.")
        patients = by_number(Patient.objects.select_related("ward"))
        if not patients:
            raise CommandError("There are no patients yet: run `manage.py load_demo` first.")
        folders = write_samples(settings.HOME / "samples", settings.DATA_DIR)
        # The phantom first and to the first patient, so that there is soon a reconstruction to look at.
        folders.sort(key=lambda folder: folder.name != "phantom")
        for number, folder in enumerate(folders):
            self.send_once(folder, patients[number % len(patients)], server)

    def send_once(self, folder: Path, patient: Patient, server: str) -> None:
        """Send one folder unless it is there already."""
        note = read_note(folder)
        if Study.objects.filter(patient=patient, description=note.description).exists():
            return
        note = msgspec.structs.replace(note, patient=patient.pk)
        study, pieces = send(folder=folder, note=note, identity=scanner_identity(ward=patient.ward), server=server)
        self.stdout.write(f"{folder.name}: {study} in {pieces} sealed pieces")
