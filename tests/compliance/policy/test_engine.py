"""The engine: default deny, lists that agree with object checks, and what can only ever take away."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.policy import (
    SENSITIVE,
    Circumstances,
    Purpose,
    Reach,
    Resource,
    Role,
    Subject,
    decide,
    house_policy,
    read_policy,
    scope_of,
)
from tests.compliance.policy.strategies import (
    PATIENTS,
    actions,
    circumstances,
    confirming_rules,
    documents,
    policies,
    refusing_rules,
    resources,
    rights,
    subjects,
)

HOUSE = house_policy()
NOON = Circumstances(datetime(2026, 6, 1, 12, tzinfo=UTC), refusals=dict.fromkeys(Purpose, frozenset()))

LIMITS_BY_ADMINISTRATORS = (Role.ADMINISTRATOR, "twin.set_limits")


@given(policies, subjects, actions, circumstances, resources)
def test_object_check_agrees_with_the_scope_that_lists_use(policy, subject, action, when, resource) -> None:
    decision, scope = decide(policy, subject, action, when, resource), scope_of(policy, subject, action, when)
    assert (decision.allowed and not decision.confirm) == scope.covers(resource)
    assert decision.allowed == scope.once_confirmed.covers(resource)
    assert decision.reason


@given(documents, subjects, actions, circumstances, resources)
def test_they_agree_under_any_document_that_the_reader_lets_in(text, subject, action, when, resource) -> None:
    policy = read_policy(text)
    decision, scope = decide(policy, subject, action, when, resource), scope_of(policy, subject, action, when)
    assert (decision.allowed and not decision.confirm) == scope.covers(resource)
    assert decision.allowed == scope.once_confirmed.covers(resource)


@given(policies, subjects, actions, circumstances)
def test_whoever_may_do_something_somewhere_has_a_scope(policy, subject, action, when) -> None:
    reached = scope_of(policy, subject, action, when).once_confirmed
    assert decide(policy, subject, action, when).allowed == (not reached.empty)


@given(policies, subjects, actions, circumstances, resources)
def test_a_fresh_factor_unlocks_and_does_nothing_else(policy, subject, action, when, resource) -> None:
    stale, fresh = replace(when, fresh=False), replace(when, fresh=True)
    assert (
        decide(policy, subject, action, stale, resource).allowed
        == decide(policy, subject, action, fresh, resource).allowed
    )
    locked = scope_of(policy, subject, action, stale)
    assert locked.once_confirmed == scope_of(policy, subject, action, fresh)
    assert not (locked.grants and locked.locked)  # a rule locks all of an action or nothing of it


@given(policies, subjects, circumstances, resources)
def test_an_unknown_action_is_refused_to_everyone(policy, subject, when, resource) -> None:
    assert not decide(policy, subject, "twin.unheard_of", when, resource)


@given(policies, subjects, actions, circumstances, resources)
def test_an_account_switched_off_reaches_nothing(policy, subject, action, when, resource) -> None:
    gone = replace(subject, active=False)
    assert not decide(policy, gone, action, when, resource)
    assert scope_of(policy, gone, action, when).empty


@given(policies, subjects, actions, circumstances, resources, refusing_rules | confirming_rules, st.integers(0, 4))
def test_adding_a_rule_never_widens(policy, subject, action, when, resource, rule, place) -> None:
    narrower = replace(policy, rules=(*policy.rules[:place], rule, *policy.rules[place:]))
    if decide(narrower, subject, action, when, resource):
        assert decide(policy, subject, action, when, resource)
    if scope_of(narrower, subject, action, when).covers(resource):
        assert scope_of(policy, subject, action, when).covers(resource)


@given(policies, subjects, actions, circumstances, resources, rights)
def test_adding_rights_never_narrows(policy, subject, action, when, resource, more) -> None:
    had = dict(policy.rights.get(subject.role, {}))
    wider = replace(policy, rights={**policy.rights, subject.role: {**more, **had}})
    if decide(policy, subject, action, when, resource):
        assert decide(wider, subject, action, when, resource)


@given(policies, subjects, actions, circumstances, resources)
def test_losing_relationships_consents_and_emergencies_never_widens(policy, subject, action, when, resource) -> None:
    less = replace(subject, ward_ids=frozenset(), patient_ids=frozenset(), opened=frozenset(), on_shift=False)
    refused = replace(when, refusals=dict.fromkeys(Purpose, frozenset(PATIENTS)))
    for poorer, worse in ((less, when), (subject, refused)):
        if decide(policy, poorer, action, worse, resource):
            assert decide(policy, subject, action, when, resource)


@given(policies, subjects, actions, circumstances, resources)
def test_an_emergency_widens_whom_a_role_reaches_but_not_what_it_may_do(
    policy, subject, action, when, resource
) -> None:
    if decide(policy, subject, action, when, resource) and not decide(
        policy, replace(subject, opened=frozenset()), action, when, resource
    ):
        assert policy.reach(subject.role, action) is not None
        assert action in policy.break_glass.actions
        assert resource.patient_id in subject.opened


@given(st.sampled_from(sorted(HOUSE.rights[Role.NURSE])), resources)
def test_the_outsider_reaches_nothing(action, resource) -> None:
    outsider = Subject(Role.NONE, frozenset({1, 2, 3, 4}), frozenset(PATIENTS))
    assert not decide(HOUSE, outsider, action, NOON, resource)


def nurse(**more: object) -> Subject:
    return replace(Subject(Role.NURSE, frozenset({1}), frozenset({PATIENTS[0]})), **more)


def test_every_decision_gives_its_reason_and_what_is_missing() -> None:
    assert decide(HOUSE, nurse(), "imaging.view_study", NOON, Resource(ward_id=1)).reason == "works on this ward"
    foreign = decide(HOUSE, nurse(), "imaging.view_study", NOON, Resource(ward_id=2))
    assert ("no care relationship" in foreign.reason, foreign.missing) == (True, "care relationship")
    unable = decide(HOUSE, nurse(), "devices.configure_device", NOON, Resource(ward_id=1))
    assert ("has no right" in unable.reason, unable.missing) == (True, "right")


def test_outside_the_shift_only_patients_linked_by_name_are_reached() -> None:
    off = nurse(on_shift=False)
    refused = decide(HOUSE, off, "compliance.view_patient", NOON, Resource(PATIENTS[1], 1))
    assert (refused.allowed, refused.rule) == (False, "shift")
    assert "outside the recorded shift" in refused.reason
    assert decide(HOUSE, off, "compliance.view_patient", NOON, Resource(PATIENTS[0], 1))


@pytest.mark.parametrize(("role", "purpose"), [(Role.CAREGIVER, Purpose.CARE_FAMILY), (Role.TRAINER, Purpose.TRAINING)])
def test_a_patient_who_refuses_is_not_reached_for_that_purpose(role, purpose) -> None:
    person = Subject(role, frozenset({1}), frozenset(PATIENTS))
    refusing = replace(NOON, refusals={**NOON.refusals, purpose: frozenset({PATIENTS[0]})})
    refused = decide(HOUSE, person, "compliance.view_patient", refusing, Resource(PATIENTS[0], 1))
    assert (refused.allowed, "does not want" in refused.reason) == (False, True)
    assert decide(HOUSE, person, "compliance.view_patient", refusing, Resource(PATIENTS[1], 1))


def test_a_consent_that_was_not_looked_up_counts_as_refused() -> None:
    caregiver = Subject(Role.CAREGIVER, frozenset(), frozenset(PATIENTS))
    blind = replace(NOON, refusals={})
    assert not decide(HOUSE, caregiver, "compliance.view_patient", blind, Resource(PATIENTS[0], 1))


def test_a_purpose_that_is_not_the_roles_is_refused() -> None:
    curious = replace(NOON, purpose=Purpose.RESEARCH)
    refused = decide(HOUSE, nurse(), "compliance.view_patient", curious, Resource(ward_id=1))
    assert (refused.allowed, refused.missing) == (False, "purpose")


def test_a_caregiver_on_a_ward_still_sees_only_the_linked_patient() -> None:
    caregiver = Subject(Role.CAREGIVER, frozenset({1}), frozenset({PATIENTS[0]}))
    assert decide(HOUSE, caregiver, "compliance.view_patient", NOON, Resource(PATIENTS[0], 1))
    assert not decide(HOUSE, caregiver, "compliance.view_patient", NOON, Resource(PATIENTS[1], 1))


def test_a_stale_second_factor_is_asked_for_and_a_retired_device_stays_so() -> None:
    engineer = Subject(Role.ADMINISTRATOR, frozenset({1}), frozenset())
    device = Resource(None, 1, "active")
    assert decide(HOUSE, engineer, "devices.configure_device", NOON, device).confirm
    assert not decide(HOUSE, engineer, "devices.configure_device", replace(NOON, fresh=True), device).confirm
    assert not decide(HOUSE, engineer, "devices.configure_device", NOON, replace(device, device_state="retired"))


def test_an_opened_record_allows_to_see_and_not_to_act() -> None:
    opened = nurse(opened=frozenset({PATIENTS[3]}))
    foreign = Resource(PATIENTS[3], 9)
    assert (
        decide(HOUSE, opened, "compliance.view_patient", NOON, foreign).reason == "opened this record in an emergency"
    )
    assert not decide(HOUSE, opened, "twin.acknowledge_alert", NOON, foreign)
    assert not decide(HOUSE, opened, "compliance.view_patient", NOON, Resource(UUID(int=99), 9))


def test_a_trainer_can_never_acknowledge_and_only_physicians_and_administrators_set_limits() -> None:
    assert HOUSE.reach(Role.TRAINER, "twin.acknowledge_alert") is None
    assert {role for role in Role if HOUSE.reach(role, "twin.set_limits")} == {Role.PHYSICIAN, Role.ADMINISTRATOR}
    assert set(HOUSE.rights[Role.CAREGIVER].values()) == {Reach.LINKED}


def test_every_sensitive_right_waits_for_a_fresh_factor_whatever_is_added() -> None:
    for role, rights_of_role in HOUSE.rights.items():
        person = Subject(role, frozenset({1}), frozenset({PATIENTS[0]}), own=frozenset({PATIENTS[0]}))
        for action in rights_of_role:
            locked = scope_of(HOUSE, person, action, NOON)
            assert bool(locked.confirm) == (action in SENSITIVE or (role, action) == LIMITS_BY_ADMINISTRATORS), action
            assert not scope_of(HOUSE, person, action, replace(NOON, fresh=True)).confirm


def test_a_list_shows_nothing_of_what_waits_for_a_fresh_factor() -> None:
    engineer = Subject(Role.ADMINISTRATOR, frozenset({1}), frozenset())
    device = Resource(None, 1, "active")
    stale = scope_of(HOUSE, engineer, "devices.configure_device", NOON)
    assert stale.empty
    assert stale.confirm == "second factor"
    assert not stale.covers(device)
    assert stale.once_confirmed.covers(device)
