"""A policy as a file: what is wrong in it is named, and nothing unknown is let through."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.errors import PolicyInvalid
from compliance.policy import Role, house_policy, house_text, read_policy
from compliance.policy.rules import DECIDED_BY_PATIENTS
from compliance.privacy.purposes import TERMS

SMALL = """
format = 1
name = "Small"
[purposes]
nurse = ["treatment"]
[rights.nurse]
"compliance.view_patient" = "ward"
"""


def test_the_policy_of_the_house_is_read_and_known_by_its_hash() -> None:
    assert house_policy().sha256 == hashlib.sha256(house_text().encode()).hexdigest()
    assert house_policy().break_glass.minutes == 60


def test_what_is_not_granted_is_not_there() -> None:
    policy = read_policy(SMALL)
    assert policy.reach(Role.NURSE, "compliance.view_patient") == "ward"
    assert policy.reach(Role.NURSE, "twin.view_alert") is None
    assert policy.reach(Role.PHYSICIAN, "compliance.view_patient") is None


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("format = 1", "format = 2", "format 2"),
        ("format = 1", "format = ", "cannot be read"),
        ('name = "Small"', 'nom = "Small"', "nom"),
        ("[rights.nurse]", "[rights.nurze]", "nurze"),
        ("compliance.view_patient", "compliance.view_patients", "compliance.view_patients"),
        ('= "ward"', '= "everything"', "everything"),
        ('nurse = ["treatment"]', "nurse = []", "purposes.nurse"),
        ('nurse = ["treatment"]', 'nurse = ["fun"]', "fun"),
        ("format = 1", 'format = 1\ntime_zone = "Mars/Olympus"', "Mars/Olympus"),
    ],
)
def test_an_unknown_word_is_refused_by_name(before, after, said) -> None:
    with pytest.raises(PolicyInvalid) as refused:
        read_policy(SMALL.replace(before, after))
    assert said in refused.value.message


RULE = '[[rules]]\nname = "r"\neffect = "refuse"\nbecause = "b"\n'


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (RULE + 'effekt = "x"', "effekt"),
        (RULE.replace("refuse", "allow"), "allow"),
        (RULE + 'actions = ["compliance.*"]', "compliance.*"),
        (RULE + 'hours = ["22:00", "late"]', "late"),
        (RULE + RULE, "Two rules"),
        (RULE.replace("refuse", "confirm") + 'device_states = ["active"]', "confirming"),
        ('[break_glass]\nroles = ["nurse"]\nminutes = 0\nactions = []\nreasons = {a = "b"}', "minutes"),
        ('[break_glass]\nroles = ["nurse"]\nminutes = 9\nactions = []\nreasons = {}', "reason"),
    ],
)
def test_a_rule_that_says_something_else_is_refused(rule, said) -> None:
    with pytest.raises(PolicyInvalid) as refused:
        read_policy(SMALL + rule)
    assert said in refused.value.message


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused_by_name(text) -> None:
    with pytest.raises(PolicyInvalid):
        read_policy(text)


@pytest.mark.parametrize("text", ["a=" + "[" * 30_000, "x" * 70_000, SMALL + "\0", "a=" + "{a=" * 20_000])
def test_huge_and_deep_texts_are_refused(text) -> None:
    with pytest.raises(PolicyInvalid):
        read_policy(text)


@pytest.mark.parametrize("purpose", ["operations", "own_use"])
def test_a_rule_cannot_hang_on_what_no_patient_is_asked(purpose) -> None:
    text = house_text().replace('consent_refused = "training"', f'consent_refused = "{purpose}"')
    with pytest.raises(PolicyInvalid, match="patients are not asked"):
        read_policy(text)


def test_the_uses_that_patients_decide_are_those_that_they_are_asked_about() -> None:
    assert set(map(str, TERMS)) == set(map(str, DECIDED_BY_PATIENTS))
