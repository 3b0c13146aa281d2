"""Find and sort people by what lies sealed: exactly through the blind index, otherwise by opening what is in scope.

Docs: `docs/decisions/` says what each of the two tells somebody who has the database alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import UUID

from django.db.models import QuerySet

from compliance.errors import SealedFieldAltered, SubjectErased
from compliance.models import Patient
from compliance.models.sealed import blind_index


def by_name(patients: Iterable[Patient]) -> list[Patient]:
    """Return the patients by family and given name."""
    return sorted(patients, key=lambda patient: patient.sort_name)


def by_number(patients: Iterable[Patient]) -> list[Patient]:
    """Return the patients by record number."""
    return sorted(patients, key=lambda patient: patient.medical_record_number)


def with_number(number: str, patients: QuerySet[Patient] | None = None) -> QuerySet[Patient]:
    """Keep the patient of a record number; case and spaces do not matter."""
    rows = Patient.objects.all() if patients is None else patients
    return rows.filter(record_number_index=blind_index(number))


def those_who(patients: QuerySet[Patient], matches: Callable[[Patient], bool]) -> list[UUID]:
    """Return the ids of the patients of whom `matches` holds. Opens every row: give it a scope, not the house."""
    return [patient.pk for patient in patients.order_by().iterator(chunk_size=500) if _holds(matches, patient)]


def _holds(matches: Callable[[Patient], bool], patient: Patient) -> bool:
    try:
        return matches(patient)
    except (SealedFieldAltered, SubjectErased):  # noted where it was opened; nobody is found by what cannot be read
        return False
