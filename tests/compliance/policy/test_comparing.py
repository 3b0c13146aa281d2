"""The difference of two policies in words: nothing that differs is left out, and nothing else is named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from compliance.policy import Policy, house_policy, house_text, read_policy
from compliance.policy.comparing import differences_of
from tests.compliance.policy.strategies import documents

HOUSE = house_policy()


def changed(old: str, new: str) -> list[tuple[str, str, str]]:
    assert old in house_text()
    found = differences_of(HOUSE, read_policy(house_text().replace(old, new, 1)))
    return [(one.about, one.before, one.after) for one in found]


def bare(policy: Policy) -> Policy:
    """Return the policy without its hash and without roles that are named and have no right."""
    return replace(policy, sha256="", rights={role: actions for role, actions in policy.rights.items() if actions})


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine
@given(documents, documents)
def test_policies_that_differ_are_told_apart_and_equal_ones_are_not(one, other) -> None:
    before, after = read_policy(one), read_policy(other)
    assert bool(differences_of(before, after)) is (bare(before) != bare(after))
    assert differences_of(before, before) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"imaging.view_study" = "ward"\n', "", ("nurse: see images", "ward", "no right")),
        ("minutes = 60", "minutes = 30", ("emergency access: minutes", "60", "30")),
        ("four_eyes = false", "four_eyes = true", ("two people for another version", "no", "yes")),
        ('physician = ["treatment", "research"]', 'physician = ["treatment"]',
         ("physician: used for", "treatment, research", "treatment")),
        ("off_shift = true", 'hours = ["22:00", "06:00"]', ("rule shift: time of day", "none", "22:00 to 06:00")),
        ('device_states = ["retired"]', 'device_states = ["retired", "quarantined"]',
         ("rule retired devices: device states", "retired", "quarantined, retired")),
    ],
)  # fmt: skip
def test_each_part_is_told_in_words(old, new, told) -> None:
    assert told in changed(old, new)


def test_a_rule_that_goes_and_one_that_comes_are_told_whole() -> None:
    rule = house_text()[house_text().index('[[rules]]\nname = "family"') :]
    rule = rule[: rule.index("\n\n") + 2]
    (gone,) = changed(rule, "")
    assert gone[0] == "rule family"
    assert gone[1].startswith("refuse: the patient does not want to share this with family (roles caregiver")
    assert gone[2] == "no such rule"


def test_a_difference_says_whom_it_is_about() -> None:
    text = house_text().replace('"imaging.view_study" = "ward"\n', "", 1)
    (one,) = differences_of(HOUSE, read_policy(text))
    assert (one.role, one.action) == ("nurse", "imaging.view_study")
