"""Runs one rule over the log, record by record. Same records, same findings, whatever the batches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Any

from compliance.rulebook.facts import Fact
from compliance.rulebook.judges import LATE_S, Held, Judged, judge_for, key_of, moment_of
from compliance.rulebook.language import Apart, AtMost, Demand, Reference, Rule, Same, Total


@dataclass(frozen=True, slots=True)
class Finding:
    """A demand that a record did not meet. `indexes` are the records that prove it, the judged one among them."""

    rule_id: str
    version: int
    index: int
    demand: str
    sentence: str
    indexes: tuple[int, ...]
    patient: str | None
    ward: int | None
    actor: str | None
    at_s: float


class References:
    """The records that set terms, by what joins them, with the time from which they held no more."""

    def __init__(self, reference: Reference, kept_fields: frozenset[str]) -> None:
        self.reference, self.kept_fields = reference, kept_fields
        self.open: dict[str, list[Any]] = {}  # key -> [index, from, until or None, {field: value}]

    def learn(self, fact: Fact, now_s: float) -> None:
        """End what `fact` ends, then open what it opens."""
        for ending in self.reference.ended_by:
            if ending.selection.takes(fact):
                self._end(fact, ending.join)
        if self.reference.opened_by.takes(fact):
            key = key_of(fact, (other for _, other in self.reference.join))
            if key is not None:
                values = {field: fact.value(field) for field in sorted(self.kept_fields)}
                self.open[key] = [fact.index, fact.at_s, None, values]
                self._forget(now_s)

    def held_for(self, fact: Fact, moment_s: float) -> Held | None:
        """Return the reference of `fact`, whether or not it holds at that moment."""
        key = key_of(fact, (mine for mine, _ in self.reference.join))
        found = self.open.get(key) if key is not None else None
        if found is None:
            return None
        index, since, _, values = found
        return Held(index, values, since <= moment_s < self._until(found))

    def _end(self, fact: Fact, join: tuple[tuple[str, str], ...]) -> None:
        wanted = [(fact.value(mine), other) for mine, other in join]
        if any(value is None for value, _ in wanted):
            return
        for entry in self.open.values():
            if entry[2] is None and all(entry[3].get(other) == value for value, other in wanted):
                entry[2] = fact.at_s

    def _forget(self, now_s: float) -> None:
        self.open = {key: entry for key, entry in self.open.items() if self._until(entry) > now_s - LATE_S}

    def _until(self, entry: list[Any]) -> float:
        ends = moment_of(entry[3].get(self.reference.expires)) if self.reference.expires else None
        return min(entry[2] if entry[2] is not None else inf, ends if ends is not None else inf)


class Engine:
    """One rule at work."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.judges = [judge_for(demand.what) for demand in rule.demands]
        self.references = References(rule.reference, _kept(rule)) if rule.reference else None
        self.now_s: float | None = None  # the log's time: the newest that any record told
        self.count = 0  # records judged

    def feed(self, facts: Iterable[Fact]) -> list[Finding]:
        """Take records in the log's order and return what is found."""
        return [finding for fact in facts for finding in self._take(fact)]

    def waits_since(self, now_s: float) -> bool:
        """Tell whether a deadline lies before `now_s`: then a record has to say that it is later."""
        return any(judge.earliest() < now_s for judge in self.judges)

    def dump(self) -> dict[str, Any]:
        """Return everything that the next record needs, as JSON."""
        return {
            "now_s": self.now_s,
            "count": self.count,
            "judges": [judge.dump() for judge in self.judges],
            "references": self.references.open if self.references else None,
        }

    def load(self, state: dict[str, Any]) -> Engine:
        """Go on where `dump` stopped."""
        self.now_s, self.count = state["now_s"], state["count"]
        for judge, kept in zip(self.judges, state["judges"], strict=True):
            judge.load(kept)
        if self.references:
            self.references.open = dict(state["references"])
        return self

    def _take(self, fact: Fact) -> list[Finding]:
        self.now_s = fact.at_s if self.now_s is None else max(self.now_s, fact.at_s)
        if self.references:
            self.references.learn(fact, self.now_s)
        for judge in self.judges:
            judge.learn(fact, self.now_s)
        found = self._overdue(fact.index, self.now_s)
        return found + self._judge(fact) if self.rule.on.takes(fact) else found

    def _overdue(self, by_index: int, now_s: float) -> list[Finding]:
        """Return findings about records that got no answer; the record that showed it is part of the proof."""
        return [
            self._finding(demand, late, (late.index, by_index))
            for demand, judge in zip(self.rule.demands, self.judges, strict=True)
            for late in judge.overdue(now_s)
        ]

    def _judge(self, fact: Fact) -> list[Finding]:
        self.count += 1
        moment_s = self._moment(fact)
        held = self.references.held_for(fact, moment_s) if self.references else None
        judged = Judged.of(fact)
        verdicts = [
            (demand, judge.judge(fact, moment_s, held))
            for demand, judge in zip(self.rule.demands, self.judges, strict=True)
        ]
        return [self._finding(demand, judged, failure.indexes) for demand, failure in verdicts if failure is not None]

    def _moment(self, fact: Fact) -> float:
        """Return when the act happened, which may be earlier than when it was recorded."""
        field = self.rule.reference.moment if self.rule.reference else None
        told = moment_of(fact.value(field)) if field else None
        return fact.at_s if told is None else told

    def _finding(self, demand: Demand, judged: Judged, indexes: tuple[int, ...]) -> Finding:
        return Finding(
            rule_id=self.rule.id,
            version=self.rule.version,
            index=judged.index,
            demand=demand.name,
            sentence=demand.sentence,
            indexes=tuple(sorted(set(indexes))),
            patient=judged.patient,
            ward=judged.ward,
            actor=judged.actor,
            at_s=judged.at_s,
        )


def _kept(rule: Rule) -> frozenset[str]:
    """Return the fields of a reference that anything will ask for."""
    reference = rule.reference
    if reference is None:
        return frozenset()
    fields = {demand.what.of for demand in rule.demands if isinstance(demand.what, AtMost | Same | Total | Apart)}
    fields |= {other for ending in reference.ended_by for _, other in ending.join}
    return frozenset(fields | ({reference.expires} if reference.expires else set()))
