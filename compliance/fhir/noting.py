"""Note whose record a request read, as every page does."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from compliance.fhir.access import Access
from compliance.fhir.entries import Entry
from compliance.models import AccessRecord, Patient
from compliance.privacy.purposes import AccessPurpose
from compliance.services.accesses import FOLD_WITHIN, record_access


def note_reads(access: Access, entries: Iterable[Entry]) -> None:
    """Record that the request read these resources: once per patient and resource type within five minutes."""
    seen: dict[str, set[UUID]] = {}
    for entry in entries:
        if entry.patient_id is not None:
            seen.setdefault(entry.type, set()).add(entry.patient_id)
    why = AccessPurpose.SHARE_EXTERNAL if access.outside else None
    for resource_type, patients in sorted(seen.items()):
        for patient in _new(access, _part(resource_type), patients):
            record_access(user=access.user, patient=patient, what=_part(resource_type), purpose=why)


def _part(resource_type: str) -> str:
    return f"fhir_{resource_type}"[:32]


def _new(access: Access, what: str, patients: set[UUID]) -> list[Patient]:
    """Return the patients whose record this person has not read in the same way a moment ago: one query for a page."""
    recent = AccessRecord.objects.filter(
        user=access.user, what=what, patient__in=patients, at__gt=access.now - FOLD_WITHIN
    )
    return list(Patient.objects.filter(pk__in=patients - set(recent.values_list("patient_id", flat=True))))
