"""Reads of corrections: what stands beside a record because its patient disputes it."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from compliance.models import Patient, User
from compliance.models.corrections import Correction
from compliance.privacy.corrections import DISPUTED, Outcome

READ = "compliance.manage_consent"
BESIDE = Q(outcome=Outcome.DISPUTED) | Q(disagreed_at__isnull=False)


def notes_on(patient: Patient) -> QuerySet[Correction]:
    """Return what is marked as disputed and the statements of disagreement, newest first."""
    return _of(patient).filter(BESIDE).order_by("-asked_at")


def notes_for(user: User, patient: Patient) -> QuerySet[Correction]:
    """Return the notes on a record for those who see to patients' decisions; nobody else reads a patient's words."""
    notes = notes_on(patient)
    return notes if user.has_perm(READ, patient) else notes.none()


def evidence_notes(user: User, patient: Patient | None) -> list[Correction]:
    """Return the notes that speak of what was measured or pictured, for pages of evidence."""
    return list(notes_for(user, patient).filter(part__in=DISPUTED)) if patient is not None else []


def corrections_of(patient: Patient) -> QuerySet[Correction]:
    """Return everything that a patient called wrong, oldest first."""
    return _of(patient).order_by("asked_at")


def _of(patient: Patient) -> QuerySet[Correction]:
    return Correction.objects.filter(patient=patient).select_related("patient", "request")
