"""A row that was never changed says one moment, not two clocks read one after the other."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from compliance.models import Patient


def test_new_patient_was_changed_exactly_when_the_record_was_made(patient) -> None:
    assert patient.changed_at == patient.recorded_at
    patient.refresh_from_db()
    assert patient.changed_at == patient.recorded_at


def test_patients_made_many_at_once_keep_one_moment_each(ward) -> None:
    born = timezone.now().date()
    made = [
        Patient(medical_record_number=f"M-{number}", given_name="A", family_name="B", birth_date=born, ward=ward)
        for number in range(3)
    ]
    Patient.objects.bulk_create(made)
    assert all(one.changed_at == one.recorded_at for one in Patient.objects.all())


@pytest.mark.parametrize("hours", [1, -1])
def test_a_moment_that_was_said_is_kept(patient, hours) -> None:
    said = patient.recorded_at + timedelta(hours=hours)
    patient.changed_at = said
    patient.save()
    patient.refresh_from_db()
    assert patient.changed_at == said
