"""Named facts: kept, folded, and free of patient data."""

from __future__ import annotations

import pytest

from compliance.models import Event, EventCategory
from compliance.services.events import record_error, record_event
from devices.errors import FrameForged

pytestmark = pytest.mark.django_db


def test_a_flood_of_the_same_refusal_is_one_row_that_counts() -> None:
    for _ in range(50):
        record_error(FrameForged(), category=EventCategory.SECURITY, device_id=7)
    event = Event.objects.get()
    assert (event.code, event.count, event.device_id) == ("frame_forged", 50, 7)


def test_refusals_from_different_devices_stay_apart() -> None:
    for device in (1, 2):
        record_error(FrameForged(), category=EventCategory.SECURITY, device_id=device)
    assert Event.objects.count() == 2


def test_an_event_of_a_patient_is_placed_on_the_patients_ward(patient) -> None:
    event = record_event(category=EventCategory.CLINICAL, code="alert_raised", message="Low glucose", patient=patient)
    assert event.ward_id == patient.ward_id


def test_the_text_form_of_a_patient_is_no_name(patient) -> None:
    assert patient.family_name not in str(patient)
    assert patient.family_name not in f"{patient!r}"
