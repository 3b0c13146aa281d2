"""Logs for tests: short to write, in the shape of the house's records."""

from __future__ import annotations

from datetime import UTC, datetime

from compliance.rulebook.engine import Engine, Finding
from compliance.rulebook.facts import Fact
from compliance.rulebook.language import Rule
from compliance.rulebook.reading import house_rules

START = 1_800_000_000.0
MINUTE, HOUR = 60.0, 3600.0
ANN, BEN = "1", "2"


def iso(at_s: float) -> str:
    return datetime.fromtimestamp(START + at_s, tz=UTC).isoformat()


def fact(at_s: float, code: str, actor: str | None = ANN, **detail: object) -> Fact:
    return Fact(0, START + at_s, code, "p1", actor, 7, detail)


def numbered(facts: list[Fact]) -> list[Fact]:
    return [Fact(i, f.at_s, f.code, f.patient, f.actor, f.ward, f.detail) for i, f in enumerate(facts)]


def ordered(at_s: float = 0.0, order: int = 1, **detail: object) -> Fact:
    terms = {
        "order": order, "atc": "B01AB05", "unit": "mg", "max_single": 60, "max_daily": 100, "min_interval_s": 4 * HOUR,
        **detail,
    }  # fmt: skip
    return fact(at_s, "dose_ordered", **terms)


def checked(at_s: float, dose: int = 1, actor: str = BEN, amount: float = 40) -> Fact:
    return fact(at_s, "dose_checked", actor, order=1, dose=dose, amount=amount)


def given(at_s: float, dose: int = 1, amount: float = 40, **detail: object) -> Fact:
    return fact(
        at_s, "dose_given",
        **{"order": 1, "dose": dose, "administration": dose, "atc": "B01AB05", "amount": amount, "unit": "mg",
           "given_at": iso(at_s), "high_alert": True, "entry": "first", **detail},
    )  # fmt: skip


def rule(rule_id: str) -> Rule:
    return next(rule for rule in house_rules() if rule.id == rule_id)


def findings(rule_id: str, *facts: Fact) -> list[Finding]:
    return Engine(rule(rule_id)).feed(numbered(list(facts)))


def found(rule_id: str, *facts: Fact) -> list[tuple[str, tuple[int, ...]]]:
    return [(finding.demand, finding.indexes) for finding in findings(rule_id, *facts)]
