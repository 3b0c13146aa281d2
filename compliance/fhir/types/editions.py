"""What a patient's record said before it was corrected: told back from what each correction replaced.

A former name or date of birth was wrong, or is what its patient wants to be rid of. It is therefore shown to those who
see to patients' decisions, and to the patient, and to nobody else: to others the record has one version.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import F, OuterRef, QuerySet, Subquery

from compliance.fhir.access import Access
from compliance.models import Patient
from compliance.models.corrections import Correction
from compliance.privacy.corrections import COLUMNS, CorrectionPart, Outcome
from compliance.selectors import within_scope
from compliance.selectors.corrections import READ

SHOWN = (
    CorrectionPart.GIVEN_NAME, CorrectionPart.FAMILY_NAME, CorrectionPart.BIRTH_DATE, CorrectionPart.SEX,
)  # fmt: skip
Values = dict[str, str]  # column of the patient's row -> its value, as text


def carried_out() -> QuerySet[Correction]:
    """Return the corrections that changed a patient's row, with `at`, when that was."""
    changed = Correction.objects.filter(outcome=Outcome.CHANGED, part__in=COLUMNS, request__closed_at__isnull=False)
    return changed.annotate(at=F("request__closed_at"))


def with_next(rows: QuerySet[Correction]) -> QuerySet[Correction]:
    """Return the corrections with `next_at`, when the record was corrected again; null for the newest."""
    later = carried_out().filter(patient=OuterRef("patient"), request__closed_at__gt=OuterRef("request__closed_at"))
    return rows.annotate(next_at=_first_of(later))


def patients_with_first(rows: QuerySet[Patient]) -> QuerySet[Patient]:
    """Return the patients with `next_at`, when the record was corrected for the first time; null where it never was."""
    return rows.annotate(next_at=_first_of(carried_out().filter(patient=OuterRef("pk"))))


def _first_of(rows: QuerySet[Correction]) -> Subquery:
    return Subquery(rows.order_by("request__closed_at").values("request__closed_at")[:1])


def readable_formers(access: Access) -> QuerySet[Patient]:
    """Return the patients whose former editions the person may read."""
    return within_scope(Patient.objects.all(), access.reach(READ), patient_field="").order_by()


class Editions:
    """Every edition of some patients' records, the newest first."""

    def __init__(self, patients: Iterable[Patient]) -> None:
        found = {patient.pk: patient for patient in patients}
        self._corrections: dict[UUID, list[Correction]] = defaultdict(list)
        for one in carried_out().filter(patient__in=list(found)).order_by("-request__closed_at", "-pk"):
            one.patient = found[one.patient_id]  # whose key is open already
            self._corrections[one.patient_id].append(one)

    def of(self, patient: Patient) -> list[tuple[Values, datetime, int]]:
        """Return values, the moment since which they stood, and the number of the edition. Raises SubjectErased."""
        values = {part.value: str(getattr(patient, part.value)) for part in SHOWN}
        corrections = self._corrections[patient.pk]
        starts = [*(one.at for one in corrections), patient.recorded_at]  # type: ignore[attr-defined]
        made = [(dict(values), starts[0], patient.edition)]
        for number, one in enumerate(corrections, start=1):
            if one.part in values:
                values[one.part] = one.former_text
            made.append((dict(values), starts[number], max(patient.edition - number, 1)))
        return made

    def after(self, correction: Correction) -> int:
        """Return the place, from the newest, of the edition that a correction made."""
        return [one.pk for one in self._corrections[correction.patient_id]].index(correction.pk)


def patients_of(corrections: Sequence[Correction]) -> dict[UUID, Patient]:
    """Return the patients of some corrections."""
    return Patient.objects.in_bulk({one.patient_id for one in corrections})
