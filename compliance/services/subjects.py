"""End the key under which a person's identity lies: crypto-erasure (NIST SP 800-88, 2.6).

What is sealed stays where it is and says nothing any more, in the database and in every backup made after this; older
backups hold the wrapped key until they are deleted, or until FIELD_KEY was exchanged and its former value destroyed.
"""

from __future__ import annotations

from django.db import transaction

from compliance.models import EventCategory, Patient, User
from compliance.services.events import record_event

SEALED = ("medical_record_number", "given_name", "family_name", "birth_date")


def destroy_subject_key(patient: Patient, *, by: User | None = None, told: bool = True) -> None:
    """Destroy a patient's key: name, record number and date of birth can never be read again. Twice is harmless.

    told: with an event. An erasure writes one of its own, which does not name the record.
    """
    with transaction.atomic():
        locked = Patient.objects.select_for_update().get(pk=patient.pk)
        if locked.subject_key is None:
            return
        # The index would still answer whether a number was here; the id in its place is unique and says nothing.
        Patient.objects.filter(pk=patient.pk).update(subject_key=None, record_number_index=f"erased-{patient.pk}")
        if told:
            record_event(
                category=EventCategory.SECURITY,
                code="subject_key_destroyed",
                message="The key under which a patient's identity lay was destroyed.",
                patient=patient,
                user=by,
            )
    for name in ("_opened_key", "subject_key", "record_number_index", *SEALED):
        patient.__dict__.pop(name, None)  # what was opened before; asked again, the row answers SubjectErased
