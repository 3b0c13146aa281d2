"""The policy: default deny, and lists that agree with object checks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.policy import ROLE_RULES, Reach, Resource, Role, Subject, decide, scope_of

ACTIONS = sorted({action for rules in ROLE_RULES.values() for action in rules})
PATIENTS = [UUID(int=n) for n in range(4)]

subjects = st.builds(
    Subject,
    role=st.sampled_from(list(Role)),
    ward_ids=st.frozensets(st.integers(1, 4), max_size=3),
    patient_ids=st.frozensets(st.sampled_from(PATIENTS), max_size=3),
    active=st.booleans(),
)
resources = st.builds(Resource, st.none() | st.sampled_from(PATIENTS), st.none() | st.integers(1, 4))


@given(subjects, st.sampled_from([*ACTIONS, "twin.unheard_of"]), resources)
def test_object_check_agrees_with_the_scope_that_lists_use(subject: Subject, action: str, resource: Resource) -> None:
    assert decide(subject, action, resource).allowed == scope_of(subject, action).covers(resource)


@given(subjects, resources)
def test_an_unknown_action_is_refused_to_everyone(subject: Subject, resource: Resource) -> None:
    assert not decide(subject, "twin.unheard_of", resource)


@given(st.sampled_from(ACTIONS), resources)
def test_the_outsider_reaches_nothing(action: str, resource: Resource) -> None:
    outsider = Subject(Role.NONE, frozenset(), frozenset())
    assert not decide(outsider, action, resource)
    assert scope_of(outsider, action).empty


@given(subjects, st.sampled_from(ACTIONS), resources)
def test_an_account_switched_off_reaches_nothing(subject: Subject, action: str, resource: Resource) -> None:
    gone = Subject(subject.role, subject.ward_ids, subject.patient_ids, active=False)
    assert not decide(gone, action, resource)


def test_every_decision_gives_its_reason() -> None:
    nurse = Subject(Role.NURSE, frozenset({1}), frozenset())
    assert decide(nurse, "imaging.view_study", Resource(ward_id=1)).reason == "works on this ward"
    assert "no care relationship" in decide(nurse, "imaging.view_study", Resource(ward_id=2)).reason
    assert "has no right" in decide(nurse, "devices.configure_device", Resource(ward_id=1)).reason


def test_a_caregiver_on_a_ward_still_sees_only_the_linked_patient() -> None:
    caregiver = Subject(Role.CAREGIVER, frozenset({1}), frozenset({PATIENTS[0]}))
    assert decide(caregiver, "compliance.view_patient", Resource(PATIENTS[0], 1))
    assert not decide(caregiver, "compliance.view_patient", Resource(PATIENTS[1], 1))


def test_a_trainer_can_never_acknowledge_and_only_clinicians_set_limits() -> None:
    assert "twin.acknowledge_alert" not in ROLE_RULES[Role.TRAINER]
    assert [role for role in Role if "twin.set_limits" in ROLE_RULES[role]] == [Role.PHYSICIAN]
    assert all(reach is Reach.LINKED for reach in ROLE_RULES[Role.CAREGIVER].values())


@pytest.mark.django_db
def test_lists_show_exactly_what_object_checks_allow(cast, patient, foreign_patient) -> None:
    from compliance.models import Patient
    from compliance.selectors import patients_for

    for user in cast.values():
        for action in ACTIONS:
            listed = set(patients_for(user, action))
            assert listed == {p for p in Patient.objects.all() if user.has_perm(action, p)}
            assert foreign_patient not in listed


@pytest.mark.django_db
def test_a_relationship_that_ended_gives_nothing(make_user, ward, patient) -> None:
    from compliance.models import CareRelationship

    nurse = make_user("nurse", ward=ward)
    assert nurse.has_perm("compliance.view_patient", patient)
    CareRelationship.objects.update(ends_at=datetime.now(tz=UTC) - timedelta(seconds=1))
    assert not nurse.has_perm("compliance.view_patient", patient)


@pytest.mark.django_db
def test_recipients_are_those_who_may_act(cast, patient, foreign_patient) -> None:
    from compliance.selectors import people_who_may

    names = {user.username for user in people_who_may("twin.acknowledge_alert", patient)}
    assert names == {"nurse", "physician", "caregiver", "administrator"}
    assert people_who_may("twin.acknowledge_alert", foreign_patient) == []
