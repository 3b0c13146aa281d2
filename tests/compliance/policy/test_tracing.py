"""The account of a decision: what was asked, what it answered, and the one thing that settled it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import HealthCheck, given, settings

from compliance.policy import Circumstances, Purpose, Resource, Role, Subject, decide, house_policy, read_policy
from compliance.policy.tracing import trace
from tests.compliance.policy.strategies import actions, circumstances, documents, resources, subjects

HOUSE = house_policy()
ADA = UUID(int=1)
NOON = Circumstances(datetime(2026, 6, 1, 12, tzinfo=UTC), refusals=dict.fromkeys(Purpose, frozenset()))
NURSE = Subject(Role.NURSE, frozenset({1}), frozenset())


def told(subject, action, when=NOON, resource=None):
    return {step.name: step for step in trace(HOUSE, subject, action, when, resource or Resource(ADA, 1))}


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine
@given(documents, subjects, actions, circumstances, resources)
def test_exactly_one_step_settles_every_decision(text, subject, action, when, resource) -> None:
    policy = read_policy(text)
    steps = list(trace(policy, subject, action, when, resource))
    (settled,) = [step for step in steps if step.decides]
    decision = decide(policy, subject, action, when, resource)
    assert settled.attribute
    assert settled.counts or not decision.allowed
    assert len([step for step in steps if step.name.startswith("rule: ")]) == len(policy.rules)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine
@given(documents, subjects, actions, circumstances, resources)
def test_a_rule_that_was_not_asked_has_no_part(text, subject, action, when, resource) -> None:
    policy = read_policy(text)
    steps = {step.name: step for step in trace(policy, subject, action, when, resource)}
    for rule in policy.rules:
        step = steps[f"rule: {rule.name}"]
        assert step.asked == rule.concerns(subject.role, action)
        assert step.asked or not (step.counts or step.decides)


def test_the_shift_is_named_with_what_it_wants_and_what_was_found() -> None:
    step = told(replace(NURSE, on_shift=False), "compliance.view_patient")["rule: shift"]
    assert (step.decides, step.attribute) == (True, "shift")
    assert [(one.attribute, one.holds) for one in step.conditions] == [("link", True), ("shift", True)]
    on = told(NURSE, "compliance.view_patient")["rule: shift"]
    assert (on.counts, on.attribute) == (False, "shift")


def test_a_refusal_of_the_patient_is_what_decides_and_not_the_role() -> None:
    refused = replace(NOON, refusals={**NOON.refusals, Purpose.TREATMENT: frozenset({ADA})})
    step = told(NURSE, "compliance.view_patient", refused)["rule: treatment"]
    assert (step.decides, step.attribute) == (True, "consent")
    assert step.conditions[-1].found == "treatment refused"


def test_without_a_link_it_is_the_missing_relationship_that_decides() -> None:
    steps = told(NURSE, "compliance.view_patient", resource=Resource(ADA, 2))
    assert [(step.name, step.attribute) for step in steps.values() if step.decides] == [
        ("no link", "care relationship")
    ]


def test_rules_about_others_are_told_as_not_asked() -> None:
    steps = told(NURSE, "compliance.view_patient")
    assert steps["rule: family"].words == "not asked: speaks of the role caregiver"
    assert steps["rule: retired devices"].words == "not asked: speaks of other rights"
    assert steps["rule: second factor"].words == "not asked: speaks of rights marked sensitive"
