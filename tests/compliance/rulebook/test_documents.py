"""docs/compliance-rules.md says what the data says."""

from __future__ import annotations

from pathlib import Path

from compliance.rulebook.reading import _KINDS, house_documents, house_rules

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "compliance-rules.md").read_text()


def test_the_table_of_rules_is_the_data():
    for rule in house_rules():
        assert f"| `{rule.id}` | {rule.version} | {rule.severity} | {rule.plain} |" in TEXT, rule.id
    assert TEXT.count("\n| `") == len(house_rules()) + len(_KINDS)


def test_every_kind_of_demand_is_explained():
    assert all(f"| `{kind}` |" in TEXT for kind in _KINDS)


def test_each_rule_has_a_document_of_its_own():
    assert [rule for rule, _text in house_documents()] == list(house_rules())
