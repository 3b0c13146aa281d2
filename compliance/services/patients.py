"""Admit patients, and move them to another ward or bed. Each is an event of the patient's own timeline.

A record is never made twice under one number, and never taken away here: what was measured stays whoever's it was.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from compliance.errors import PatientInvalid, PatientTaken
from compliance.models import EventCategory, Patient, User, Ward
from compliance.services.events import record_event
from compliance.services.rights import rights_changed_around

WEIGHT_KG = (0.3, 500.0)
OLDEST_YEARS = 130
MOST_BED = 16
LONGEST = {"medical_record_number": 32, "given_name": 80, "family_name": 80}


@dataclass(frozen=True, slots=True)
class Admission:
    """Who comes in. weight_kg: kilograms, None where it is not known; conditions: one line for the ward board."""

    medical_record_number: str
    given_name: str
    family_name: str
    birth_date: date
    sex: str = "unknown"
    weight_kg: float | None = None
    bed: str = ""
    time_zone: str = "UTC"
    conditions: str = ""


@transaction.atomic
def admit_patient(*, ward: Ward, admission: Admission, by: User | None = None) -> Patient:
    """Make the record of somebody who comes to `ward` and return it.

    Raises PatientTaken when the record number is in use, PatientInvalid for what cannot be true; it names the fields,
    never what they held.
    """
    patient = Patient(ward=ward, **asdict(admission))
    check_patient(patient)
    try:
        with transaction.atomic():
            patient.save(force_insert=True)
    except IntegrityError as error:
        raise PatientTaken from error
    _record("patient_admitted", "A patient was admitted.", patient, by, {"ward": ward.pk})
    rights_changed_around(patient)
    return patient


@transaction.atomic
def move_patient(*, patient: Patient, ward: Ward, bed: str, by: User | None = None) -> Patient:
    """Bring a patient to another ward or bed; who works on the former ward loses sight of the record at once."""
    locked = Patient.objects.select_for_update(of=("self",)).select_related("ward").get(pk=patient.pk)
    former, place = locked.ward, (locked.ward_id, locked.bed)
    locked.ward, locked.bed = ward, bed.strip()
    if place == (ward.pk, locked.bed):
        return locked
    if len(locked.bed) > MOST_BED:
        raise PatientInvalid(f"A bed's name has at most {MOST_BED} characters.")
    if former != ward:
        # Before it holds: afterwards nobody would know whose pages have to close.
        locked.ward = former
        rights_changed_around(locked)
        locked.ward = ward
    locked.save(update_fields=["ward", "bed"])
    _record("patient_moved", "A patient was moved.", locked, by, {"from": former.pk, "ward": ward.pk})
    rights_changed_around(locked)
    return locked


def check_patient(patient: Patient) -> None:
    """Judge a row before it is saved. Raises PatientInvalid, which names the fields and never what they held."""
    problems = []
    try:
        patient.clean_fields(exclude=["subject_key", "record_number_index"])
    except ValidationError as error:
        problems += [name.replace("_", " ") for name in error.message_dict]
    # Sealed fields are as long as the database likes: the bounds are those of forms and messages.
    problems += [name.replace("_", " ") for name, most in LONGEST.items() if len(getattr(patient, name)) > most]
    today = timezone.now().date()
    if patient.birth_date > today or today.year - patient.birth_date.year > OLDEST_YEARS:
        problems.append("birth date")
    if patient.weight_kg is not None and not WEIGHT_KG[0] <= patient.weight_kg <= WEIGHT_KG[1]:
        problems.append("weight kg")
    if problems:
        raise PatientInvalid(f"This cannot be kept: {', '.join(sorted(set(problems)))}. Look at it again.")


def _record(code: str, message: str, patient: Patient, by: User | None, detail: dict[str, object]) -> None:
    record_event(
        category=EventCategory.CLINICAL,
        code=code,
        message=message,
        patient=patient,
        ward_id=patient.ward_id,
        user=by,
        detail=detail,
    )
