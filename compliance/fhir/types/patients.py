"""Patient: who is in care, and what the record said before it was corrected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import cast
from uuid import UUID

from django.db.models import Q, QuerySet

from compliance.fhir.access import Access
from compliance.fhir.entries import Entry, Resource, coding, concept
from compliance.fhir.parameters import NEVER, Criterion, Kind, Parameter, coded, day_satisfies, uuid_key
from compliance.fhir.streams import Stream
from compliance.fhir.table import Table
from compliance.fhir.types.editions import (
    SHOWN,
    Editions,
    Values,
    carried_out,
    patients_of,
    patients_with_first,
    readable_formers,
    with_next,
)
from compliance.fhir.values import DateRange, Token, Value
from compliance.models import Patient, Sex
from compliance.models.corrections import Correction
from compliance.models.sealed import blind_index
from compliance.selectors import within_scope
from compliance.selectors.identities import those_who

RECORD_NUMBER = "urn:medtwin:medical-record-number"
GENDER = "http://hl7.org/fhir/administrative-gender"
IDENTIFIER_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"


def _has_number(value: Value, _modifier: str) -> Q:
    token = cast(Token, value)
    if token.system not in {None, RECORD_NUMBER}:
        return NEVER
    return Q(record_number_index=blind_index(token.code)) if token.code else ~NEVER


def _is_called(names: tuple[str, ...], value: Value, modifier: str) -> bool:
    wanted = cast(str, value)
    if modifier == "exact":
        return wanted in names
    folded = [name.casefold() for name in names]
    return any(wanted.casefold() in name if modifier else name.startswith(wanted.casefold()) for name in folded)


def _was_born(patient: Patient, value: Value, _modifier: str) -> bool:
    return day_satisfies(patient.birth_date, cast(DateRange, value))


SEALED: Mapping[str, Callable[[Patient, Value, str], bool]] = {
    "name": lambda patient, *asked: _is_called((patient.given_name, patient.family_name), *asked),
    "family": lambda patient, *asked: _is_called((patient.family_name,), *asked),
    "given": lambda patient, *asked: _is_called((patient.given_name,), *asked),
    "birthdate": _was_born,
}


def _meets(criteria: Sequence[Criterion], patient: Patient) -> bool:
    return all(
        any(SEALED[one.parameter.name](patient, value, one.modifier) for value in one.values) for one in criteria
    )


class Patients(Table[Patient]):
    """Patients in whose care the person takes part. They are admitted elsewhere: here they are only read."""

    name = "Patient"
    about = "A person in care. Name, number and date of birth are searched by POST only."
    action = "compliance.view_patient"
    patient_field = "pk"
    newest_first = False
    history_kept = True
    versions = (
        "A correction makes a new version; former ones are shown to those who see to patients' decisions, "
        "and to the patient."
    )
    born = "recorded_at"
    changed = "changed_at"
    parameters = (
        Parameter(
            name="identifier", kind=Kind.TOKEN, about="Medical record number", sensitive=True, condition=_has_number
        ),
        Parameter(name="name", kind=Kind.STRING, about="Beginning of a given or family name", sensitive=True),
        Parameter(name="family", kind=Kind.STRING, about="Beginning of the family name", sensitive=True),
        Parameter(name="given", kind=Kind.STRING, about="Beginning of the given name", sensitive=True),
        Parameter(name="birthdate", kind=Kind.DATE, about="Date of birth", sensitive=True),
        coded("gender", "Administrative gender", GENDER, {sex.value: Q(sex=sex.value) for sex in Sex}),
    )

    def key(self, text: str) -> UUID | None:
        """Return the UUID that an id writes."""
        return uuid_key(text)

    def rows(self, access: Access) -> QuerySet[Patient]:
        """Return the patients that the person may see."""
        return within_scope(Patient.objects.all(), access.scope(self.action), patient_field="")

    def _matching(
        self, access: Access, criteria: tuple[Criterion, ...], snapshot: datetime | None
    ) -> QuerySet[Patient]:
        """Narrow by what the table can compare, then open what is left."""
        sealed = [one for one in criteria if one.parameter.name in SEALED]
        rows = super()._matching(access, tuple(one for one in criteria if one not in sealed), snapshot)
        return rows.filter(pk__in=those_who(rows, partial(_meets, sealed))) if sealed else rows

    def patient_of(self, row: Patient) -> UUID:
        """Return the patient."""
        return row.pk

    def entry(self, row: Patient) -> Entry:
        """Return the record as it is."""
        return self._edition(row, {part.value: str(getattr(row, part.value)) for part in SHOWN}, row.changed_at)

    def _edition(self, row: Patient, values: Values, at: datetime, number: int = 0) -> Entry:
        number = number or row.edition
        return Entry(_resource(row, values), at, row.pk, edition=number, created=number == 1)

    def history(self, access: Access, entry: Entry) -> list[Entry]:
        """Return the record as it is, and to those who may see it as it was before each correction."""
        row = self.row(access, entry, "r")
        if row is None or not readable_formers(access).filter(pk=row.pk).exists():
            return [entry]
        return [entry, *(self._edition(row, *edition) for edition in Editions([row]).of(row)[1:])]

    def streams(self, access: Access) -> list[Stream]:
        """Return the first version of each record, and the one that each correction made."""
        formers, visible = readable_formers(access).values("pk"), self.visible(access, "s")
        first = patients_with_first(visible)
        first = first.filter(Q(next_at__isnull=True) | Q(pk__in=formers))
        later = with_next(carried_out().filter(patient__in=visible.order_by().values("pk")))
        later = later.filter(Q(next_at__isnull=True) | Q(patient__in=formers))
        return [
            Stream(first, "recorded_at", self._first, "next_at"),
            Stream(later, "at", self._corrected, "next_at"),
        ]

    def _first(self, rows: Sequence[Patient]) -> list[Entry]:
        editions = Editions(rows)
        return [self._edition(row, *editions.of(row)[-1]) for row in rows]

    def _corrected(self, rows: Sequence[Correction]) -> list[Entry]:
        patients = patients_of(rows)
        editions = Editions(patients.values())
        return [
            self._edition(patients[one.patient_id], *editions.of(patients[one.patient_id])[editions.after(one)])
            for one in rows
        ]

    def render(self, row: Patient) -> Resource:
        """Return a Patient."""
        return self.entry(row).resource


def _resource(row: Patient, values: Values) -> Resource:
    return {
        "resourceType": "Patient",
        "id": str(row.pk),
        "identifier": [
            {
                "use": "usual",
                "type": concept(coding(IDENTIFIER_TYPE, "MR")),
                "system": RECORD_NUMBER,
                "value": row.medical_record_number,
            }
        ],
        "active": True,
        "name": [{"use": "official", "family": values["family_name"], "given": [values["given_name"]]}],
        "gender": values["sex"],
        "birthDate": values["birth_date"],
    }
