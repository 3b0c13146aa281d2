"""Who looked: one row for a look, not one for every request of a page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from compliance.models import AccessRecord, EmergencyAccess, Event, LogEntry
from compliance.policy import Role
from compliance.privacy.parts import LISTS, PARTS, part_of
from compliance.privacy.purposes import AccessPurpose
from compliance.services.accesses import HOUSE, purpose_of, record_access, record_list_access
from compliance.views.privacy_words import look_of

pytestmark = pytest.mark.django_db


def test_repeats_within_five_minutes_are_one_row(cast, patient) -> None:
    for _ in range(3):
        record_access(user=cast["nurse"], patient=patient, what="patient_page")
    row = AccessRecord.objects.get()
    assert (row.user, row.role, row.what, row.purpose) == (cast["nurse"], "nurse", "patient_page", "treatment")
    AccessRecord.objects.update(at=timezone.now() - timedelta(minutes=5, seconds=1))
    record_access(user=cast["nurse"], patient=patient, what="patient_page")
    assert AccessRecord.objects.count() == 2


def test_another_person_part_patient_or_purpose_is_another_row(cast, patient, foreign_patient) -> None:
    record_access(user=cast["nurse"], patient=patient, what="patient_page")
    record_access(user=cast["physician"], patient=patient, what="patient_page")
    record_access(user=cast["nurse"], patient=patient, what="image")
    record_access(user=cast["nurse"], patient=foreign_patient, what="patient_page")
    record_access(user=cast["nurse"], patient=patient, what="patient_page", purpose=AccessPurpose.EMERGENCY)
    assert AccessRecord.objects.count() == 5


def test_a_look_is_an_event_without_anything_about_the_patient(cast, patient) -> None:
    record_access(user=cast["trainer"], patient=patient, what="history")
    event = Event.objects.get(code="record_viewed")
    assert (event.patient, event.user) == (patient, cast["trainer"])
    assert event.detail == {"what": "history", "purpose": "training", "basis": "ward"}


def test_each_look_says_by_which_tie_to_the_patient_it_happened(cast, patient, foreign_patient) -> None:
    for user, whose in (("nurse", patient), ("caregiver", patient), ("patient", patient), ("nurse", foreign_patient)):
        record_access(user=cast[user], patient=whose, what="history")
    record_access(user=None, patient=patient, what="history", purpose=AccessPurpose.OPERATIONS)
    seen = Event.objects.filter(code="record_viewed").order_by("pk").values_list("detail__basis", flat=True)
    assert list(seen) == ["ward", "name", "own", "none", "house"]


def test_whom_nothing_ties_stands_alone_in_the_account_of_a_list(cast, patient, foreign_patient) -> None:
    record_list_access(user=cast["nurse"], patients=[patient.pk, foreign_patient.pk], what="ward")
    listed = Event.objects.filter(code="records_listed").order_by("pk")
    assert {(event.patient, event.detail["basis"]) for event in listed} == {(None, "ward"), (foreign_patient, "none")}


def test_every_role_has_a_purpose(cast) -> None:
    assert {role for role, user in cast.items() if purpose_of(user) is AccessPurpose.OTHER} == {"outsider"}
    assert set(cast) - {"outsider"} == {role.value for role in Role if role is not Role.NONE}


def test_a_part_that_refreshes_itself_counts_once_an_hour(cast, patient) -> None:
    record_access(user=cast["nurse"], patient=patient, what="patient_page")
    AccessRecord.objects.update(at=timezone.now() - timedelta(minutes=50))
    record_access(user=cast["nurse"], patient=patient, what="patient_page", refreshing=True)
    assert AccessRecord.objects.count() == 1
    record_access(user=cast["nurse"], patient=patient, what="patient_page")
    assert AccessRecord.objects.count() == 2, "opening the page again is a look of its own"


def test_a_list_is_one_access_for_each_person_and_one_event_for_each_ward(cast, patient, foreign_patient) -> None:
    seen = record_list_access(user=cast["nurse"], patients=[patient.pk, foreign_patient.pk, None], what="ward")
    assert seen == 2
    assert set(AccessRecord.objects.values_list("patient", "what", "purpose")) == {
        (patient.pk, "ward", "treatment"),
        (foreign_patient.pk, "ward", "treatment"),
    }
    events = {event.ward_id: event for event in Event.objects.filter(code="records_listed")}
    assert {ward: event.detail["patients"] for ward, event in events.items()} == {
        patient.ward_id: [str(patient.pk)],
        foreign_patient.ward_id: [str(foreign_patient.pk)],
    }
    assert LogEntry.objects.filter(event_id__in=[event.pk for event in events.values()]).count() == 2


def test_a_list_that_stays_open_is_noted_again_only_for_whom_it_names_newly(
    cast, patient, foreign_patient, django_assert_num_queries
) -> None:
    record_list_access(user=cast["nurse"], patients=[patient.pk], what="ward")
    with django_assert_num_queries(1):
        assert record_list_access(user=cast["nurse"], patients=[patient.pk], what="ward") == 0
    assert record_list_access(user=cast["nurse"], patients=[patient.pk, foreign_patient.pk], what="ward") == 1
    assert record_list_access(user=cast["physician"], patients=[patient.pk], what="ward") == 1
    assert record_list_access(user=cast["nurse"], patients=[patient.pk], what="alerts") == 1
    AccessRecord.objects.update(at=timezone.now() - timedelta(hours=1, seconds=1))
    assert record_list_access(user=cast["nurse"], patients=[patient.pk], what="ward") == 1


def test_an_empty_list_names_nobody_and_notes_nothing(cast, django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        assert record_list_access(user=cast["nurse"], patients=[None], what="ward") == 0


def test_while_a_record_is_open_in_an_emergency_looks_say_so(cast, patient) -> None:
    now = timezone.now()
    held = EmergencyAccess.objects.create(
        user=cast["physician"], patient=patient, reason="emergency", reason_words="Emergency", explanation="A test.",
        opened_at=now, ends_at=now + timedelta(hours=1),
    )  # fmt: skip
    assert record_access(user=cast["physician"], patient=patient, what="history").purpose == "emergency"
    assert record_access(user=cast["nurse"], patient=patient, what="history").purpose == "treatment"
    held.ends_at = now
    held.save()
    assert record_access(user=cast["physician"], patient=patient, what="history").purpose == "treatment"


def test_what_the_house_sends_by_itself_is_in_the_account(patient) -> None:
    from zoneinfo import ZoneInfo

    row = record_access(user=None, patient=patient, what="hl7_7", purpose=AccessPurpose.SHARE_EXTERNAL)
    look = look_of(row, ZoneInfo("UTC"))
    assert (row.user, row.role, look.who, look.what) == (
        None,
        HOUSE,
        "This house's own work",
        "Messages to another system",
    )


def test_a_part_without_words_cannot_be_noted(cast, patient) -> None:
    for code in ("kitchen", "fhir_", "hl7_x", ""):
        with pytest.raises(KeyError):
            record_access(user=cast["nurse"], patient=patient, what=code)
    assert not AccessRecord.objects.exists()
    assert part_of("fhir_Observation").words == "Observation, through the interface for programs"
    assert set(PARTS) > LISTS > {"ward", "alerts"}
    assert all(len(code) <= 32 for code in PARTS)
