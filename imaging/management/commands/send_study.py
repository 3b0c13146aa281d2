"""`manage.py send_study DIR`: seal a folder of DICOM files or k-space and send it like a scanner's gateway."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from django.core.management.base import BaseCommand, CommandError

from compliance.errors import DomainError
from compliance.models import Patient, Ward
from imaging.agent import read_note
from imaging.services.scanner import scanner_identity, send


class Command(BaseCommand):
    """Send one study."""

    help = "Seal a folder of DICOM files or k-space (.npy) and send it through the sealed path."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add folder, patient, server and urgency."""
        parser.add_argument("folder", type=Path)
        parser.add_argument("--patient", type=UUID, help="the patient's identifier; without it the study is unassigned")
        parser.add_argument("--server", default="", help="upload over HTTP to this address instead of in this process")
        parser.add_argument("--urgency", choices=["routine", "urgent", "stat"])

    def handle(self, *args: Any, folder: Path, patient: UUID | None, server: str, **options: Any) -> None:
        """Seal, send, and print the study's identifier."""
        if not folder.is_dir():
            raise CommandError(f"{folder} is not a folder.")
        try:
            note = read_note(folder)
            changes = {"patient": patient or note.patient, "urgency": options["urgency"] or note.urgency}
            note = msgspec.structs.replace(note, **changes)
            identity = scanner_identity(ward=_ward(note.patient))
            study, sent = send(folder=folder, note=note, identity=identity, server=server)
        except DomainError as error:
            raise CommandError(f"{error.code}: {error.message}") from error
        except OSError as error:
            raise CommandError(f"The study was not sent: {error.strerror or error}.") from error
        self.stdout.write(f"{study} sent in {sent} sealed pieces; a worker opens it now.")


def _ward(patient_id: UUID | None) -> Ward:
    if patient_id is None:
        ward = Ward.objects.order_by("pk").first()
        if ward is None:
            raise CommandError("There is no ward yet.")
        return ward
    patient = Patient.objects.select_related("ward").filter(pk=patient_id).first()
    if patient is None:
        raise CommandError("There is no such patient.")
    return patient.ward
