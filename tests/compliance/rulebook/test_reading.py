"""The language refuses what it does not know, and says where."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.rulebook.reading import MAX_TEXT, RuleWrong, house_rules, house_text, read_rules

PLAIN = """
[[rule]]
id = "small-doses"
version = 1
title = "Small doses"
plain = "No dose is above ten."
source = "this house"
severity = "low"
on = { codes = ["dose_given"] }
[[rule.demand]]
name = "unit"
kind = "has"
where = { "detail.unit" = "mg" }
sentence = "Not in milligrams."
"""


def test_the_house_has_rules_and_each_is_named_once():
    rules = house_rules()
    assert {"dose-within-order", "double-check", "alarm-answered"} <= {rule.id for rule in rules}


def test_a_small_rule_is_read():
    (rule,) = read_rules(PLAIN)
    assert (rule.id, rule.demands[0].name) == ("small-doses", "unit")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("[[rule]]", "[[role]]", "'rule' has the wrong type"),
        ('id = "small-doses"', 'id = "Small doses"', "'id' cannot be"),
        ("version = 1", "version = 0", "versions count from 1"),
        ("version = 1", 'version = "1"', "'version' has the wrong type"),
        ("version = 1", "version = true", "'version' has the wrong type"),
        ('severity = "low"', 'severity = "grave"', "'grave' is not a choice"),
        ('["dose_given"]', "[]", "'codes' names the codes"),
        ('["dose_given"]', '["DROP TABLE"]', "'codes' names the codes"),
        ('kind = "has"', 'kind = "run"', "'run' is no kind of demand"),
        ('kind = "has"', 'kind = "stands"', "unknown word 'where'"),
        ('"detail.unit"', '"__class__"', "is no field of a record"),
        ('"detail.unit" = "mg"', '"detail.unit" = []', "needs a value"),
        ('sentence = "Not in milligrams."', "", "'sentence' is missing"),
        ('sentence = "', 'colour = "red"\nsentence = "', "unknown word 'colour'"),
        ('[[rule.demand]]\nname = "unit"', '[rule.demand]\nname = "unit"', "'demand' has the wrong type"),
        ('where = { "detail.unit" = "mg" }\n', "", "'where' is missing"),
        ("[[rule]]", "this is not TOML", "this is not TOML"),
        ("[[rule]]", "language = 2\n[[rule]]", "version 1 of the language"),
    ],
)
def test_what_does_not_follow_the_language_is_refused_with_its_place(before, after, says):
    assert before in PLAIN
    with pytest.raises(RuleWrong, match=says):
        read_rules(PLAIN.replace(before, after, 1))


def test_a_comparison_needs_a_reference():
    compares = 'kind = "at_most"\nfield = "detail.amount"\nof = "detail.max_single"\n'
    with pytest.raises(RuleWrong, match="there is none"):
        read_rules(PLAIN.replace('kind = "has"\nwhere = { "detail.unit" = "mg" }\n', compares))


def test_a_huge_document_is_refused():
    with pytest.raises(RuleWrong, match="at most"):
        read_rules("#" * (MAX_TEXT + 1))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_documents_are_refused_or_read_and_nothing_else(data):
    text = house_text()
    cut = data.draw(st.integers(0, len(text)))
    wide = data.draw(st.integers(0, 30))
    damaged = text[:cut] + data.draw(st.text(max_size=8)) + text[cut + wide :]
    with suppress(RuleWrong):
        read_rules(damaged)
