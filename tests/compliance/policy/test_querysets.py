"""Against the real database: every list of governed rows shows exactly what the object check allows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import Model
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compliance.models import (
    CareRelationship,
    EmergencyAccess,
    Event,
    EventCategory,
    Patient,
    PolicyVersion,
    Shift,
    Ward,
)
from compliance.policy import Role, decide, house_text, read_policy, scope_of
from compliance.policy.asking import asking
from compliance.selectors import patients_for, people_who_may, people_who_may_each, scope_for, within_scope
from devices.models import Device, Gateway
from devices.selectors import devices_for, gateways_for
from devices.services.registry import register_device, register_gateway
from imaging.models import Study
from imaging.selectors import studies_for
from imaging.services import archive
from tests.compliance.policy.strategies import actions, circumstances_among, documents, people_among
from tests.compliance.policy.versions import activate
from twin.models import Alert

pytestmark = pytest.mark.django_db

# One of every pattern in the table: all wards, fewer roles, house reach, a state that is refused.
ASKED = [
    "compliance.manage_people",
    "compliance.view_patient",
    "devices.configure_device",
    "devices.view_device",
    "imaging.view_study",
    "twin.acknowledge_alert",
]
LISTS = {
    Patient: patients_for,
    Device: devices_for,
    Gateway: gateways_for,
    Study: studies_for,
    Alert: lambda user, action: within_scope(Alert.objects.all(), scope_for(user, action)),
    Event: lambda user, action: within_scope(Event.objects.all(), scope_for(user, action), ward_field="ward_id"),
}

# What `within_scope` is told about each.
FIELDS: dict[type[Model], dict[str, str | None]] = {
    Patient: {"patient_field": ""},
    Device: {"ward_field": "gateway__ward_id"},
    Gateway: {"patient_field": None, "ward_field": "ward_id"},
    Study: {"ward_field": "gateway__ward_id"},
    Alert: {},
    Event: {"ward_field": "ward_id"},
}

# Every kind of condition, so that each is seen to reach lists as well.
STRICT = """
[[rules]]
name = "quarantine"
effect = "refuse"
roles = ["nurse"]
actions = ["devices.view_device"]
device_states = ["quarantined"]
because = "only engineers see devices in quarantine"

[[rules]]
name = "no wards for trainers"
effect = "refuse"
roles = ["trainer"]
links = ["ward"]
because = "trainers see only patients assigned to them"
"""

LOCKED = """
[[rules]]
name = "records are locked"
effect = "confirm"
roles = ["nurse"]
actions = ["compliance.view_patient", "devices.view_device"]
because = "records open to whoever has just proved who they are"
"""


@pytest.fixture
def house(cast, make_user, ward, other_ward, patient, foreign_patient):
    """Fill the house: things with and without a patient, in both wards, and people in every standing."""
    near, far = (
        register_gateway(name=f"gateway {place}", ward=place, public_key=bytes(32)) for place in (ward, other_ward)
    )
    for number, (gateway, wearer, state) in enumerate(
        (gateway, wearer, state)
        for gateway in (near, far)  # also a gateway of one ward with a patient of the other
        for wearer in (patient, foreign_patient, None)
        for state in ("active", "quarantined")
    ):
        device, _ = register_device(
            serial=f"S-{number}", kind="cgm", label=f"device {number}", gateway=gateway, patient=wearer
        )
        Device.objects.filter(pk=device.pk).update(state=state)
    for gateway in (near, far):
        for wearer in (patient, foreign_patient, None):
            key = archive.new_study_key()
            Study.objects.create(patient=wearer, gateway=gateway, content="dicom", state="ready", archive_key=key)
    now = timezone.now()
    for wearer in (patient, foreign_patient):
        Alert.objects.create(
            patient=wearer, rule="glucose_low", metric="glucose", priority="high", value=48.0,
            message="low", event_time=now, last_seen_at=now,
        )  # fmt: skip
        for place in (ward, other_ward, None):  # one that happened before the patient moved
            Event.objects.create(category="security", code="x", message="x", patient=wearer, ward_id=place and place.pk)
    for place in (ward, other_ward, None):
        Event.objects.create(category=EventCategory.SECURITY, code="x", message="x", ward_id=place and place.pk)
    people = dict(cast)
    people["off"] = make_user("nurse", ward=ward, username="off")
    CareRelationship.objects.create(user=people["off"], patient=foreign_patient, starts_at=now)
    Shift.objects.create(user=people["off"], starts_at=now - timedelta(days=2), ends_at=now - timedelta(days=1))
    people["opener"] = make_user("nurse", ward=ward, username="opener")
    EmergencyAccess.objects.create(
        user=people["opener"], patient=foreign_patient, reason="emergency", reason_words="e", explanation="e",
        opened_at=now, ends_at=now + timedelta(hours=1),
    )  # fmt: skip
    people["gone"] = make_user("nurse", ward=ward, username="gone")
    people["gone"].is_active = False
    people["gone"].save()
    return people


def disagreements(people, fresh: bool = True) -> list[tuple[object, ...]]:
    found = []
    for name, user in people.items():
        for action in ASKED:
            with asking(fresh=lambda: fresh):
                for model, listed in LISTS.items():
                    shown = set(listed(user, action).values_list("pk", flat=True).order_by())
                    allowed = {row.pk for row in model.objects.all() if user.has_perm(action, row)}
                    found += [(name, action, model.__name__, shown ^ allowed)] if shown != allowed else []
    return found


def test_lists_show_exactly_what_object_checks_allow(house) -> None:
    assert disagreements(house) == []
    assert patients_for(house["nurse"]).count() == 1  # and they are not empty


def test_they_agree_under_a_stricter_policy_too(house) -> None:
    before = devices_for(house["nurse"]).count()
    activate(house_text() + STRICT)
    assert disagreements(house) == []
    assert 0 < devices_for(house["nurse"]).count() < before
    assert not patients_for(house["trainer"]).exists()


def test_they_agree_about_what_waits_for_a_fresh_factor_too(house, patient) -> None:
    activate(house_text() + LOCKED)
    nurse = house["nurse"]
    for fresh in (False, True):
        assert disagreements(house, fresh) == []
        with asking(fresh=lambda: fresh) as here:  # noqa: B023  asked before the next turn
            assert patients_for(nurse).exists() is fresh
            assert bool(here.locked) is not fresh
            assert patients_for(nurse, once_confirmed=True).exists()
    assert nurse in people_who_may("compliance.view_patient", patient)  # an alarm waits for no factor


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_lists_show_what_decisions_allow_for_any_document_and_anybody(house, data) -> None:
    wards, patients = (
        list(Ward.objects.values_list("pk", flat=True)),
        list(Patient.objects.values_list("pk", flat=True)),
    )
    policy = read_policy(data.draw(documents))
    subject = data.draw(people_among(wards, patients))
    action = data.draw(actions)
    when = data.draw(circumstances_among(patients))
    scope = scope_of(policy, subject, action, when)
    for model, fields in FIELDS.items():
        shown = set(within_scope(model.objects.all(), scope, **fields).values_list("pk", flat=True).order_by())
        decided = {row.pk: decide(policy, subject, action, when, row.policy_resource()) for row in model.objects.all()}
        assert shown == {pk for pk, found in decided.items() if found.allowed and not found.confirm}, model


def test_an_emergency_opens_one_record_and_nothing_else(house, foreign_patient) -> None:
    opener = house["opener"]
    assert set(patients_for(opener)) - {foreign_patient} == set(patients_for(house["nurse"]))
    assert opener.has_perm("compliance.view_patient", foreign_patient)
    assert not opener.has_perm("twin.acknowledge_alert", foreign_patient)
    EmergencyAccess.objects.update(ends_at=timezone.now())
    assert not opener.has_perm("compliance.view_patient", foreign_patient)


def test_off_shift_a_nurse_reaches_only_who_is_linked_by_name(house, patient, foreign_patient) -> None:
    off = house["off"]
    assert set(patients_for(off)) == {foreign_patient}
    Shift.objects.create(
        user=off, starts_at=timezone.now() + timedelta(minutes=20), ends_at=timezone.now() + timedelta(hours=8)
    )
    assert off.has_perm("compliance.view_patient", patient)  # within the half hour before the shift


def test_recipients_are_those_whom_the_policy_lets(house, patient, foreign_patient) -> None:
    names = {user.username for user in people_who_may("twin.acknowledge_alert", patient)}
    assert names == {"nurse", "physician", "caregiver", "administrator", "opener"}
    both = people_who_may_each("compliance.view_patient", [patient, foreign_patient])
    assert {user.username for user in both[foreign_patient.pk]} == {"off", "opener"}


def test_a_relationship_that_ended_gives_nothing(make_user, ward, patient) -> None:
    nurse = make_user("nurse", ward=ward)
    assert nurse.has_perm("compliance.view_patient", patient)
    CareRelationship.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    assert not nurse.has_perm("compliance.view_patient", patient)


def test_a_version_whose_text_was_changed_in_the_database_refuses_everything(cast, patient) -> None:
    activate(house_text())
    assert cast["nurse"].has_perm("compliance.view_patient", patient)
    widened = house_text().replace('"compliance.view_patient" = "linked"', '"compliance.view_patient" = "ward"')
    PolicyVersion.objects.update(text=widened)
    assert not any(user.has_perm("compliance.view_patient", patient) for user in cast.values())


def test_what_was_looked_up_in_a_request_is_not_looked_up_again(cast, patient, django_assert_num_queries) -> None:
    with asking():
        cast["nurse"].has_perm("compliance.view_patient", patient)
        with django_assert_num_queries(0):
            assert cast["nurse"].has_perm("imaging.view_study", patient)
            scope_for(cast["nurse"], "twin.view_alert")


def test_every_role_is_in_the_policy_of_the_house(cast) -> None:
    assert {Role(user.role) for user in cast.values()} == set(Role)
