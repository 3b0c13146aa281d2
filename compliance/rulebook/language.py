"""The rule language, version 1: what a rule may say.

A rule looks at the records with certain codes (`on`) and demands things of each. `reference` names the earlier record
that sets the terms, such as the order of a dose. Demands compare with it, or ask for records before or after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from compliance.rulebook.facts import Fact, Value

LANGUAGE = 1
Join: TypeAlias = tuple[tuple[str, str], ...]  # (field of the record judged, field of the other record)


class Severity(StrEnum):
    """How urgent a violation is; the words of alarms."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Actor(StrEnum):
    """Whose record counts, seen from the record judged."""

    ANY = "any"
    SAME = "same"
    ANOTHER = "another"

    def fits(self, other: str | None, judged: str | None) -> bool:
        """Tell whether the other record's actor is the right one; nobody is neither the same nor another."""
        if self is Actor.ANY:
            return True
        return other is not None and judged is not None and (other == judged) is (self is Actor.SAME)


@dataclass(frozen=True, slots=True)
class Condition:
    """A field that must be one of `values`."""

    field: str
    values: tuple[Value, ...]

    def holds(self, fact: Fact) -> bool:
        """Tell whether `fact` fulfils it."""
        return fact.value(self.field) in self.values


@dataclass(frozen=True, slots=True)
class Selection:
    """Records with one of `codes` that fulfil every condition and have every field of `present`."""

    codes: frozenset[str]
    where: tuple[Condition, ...] = ()
    present: tuple[str, ...] = ()

    def takes(self, fact: Fact) -> bool:
        """Tell whether `fact` is one of them."""
        return (
            fact.code in self.codes
            and all(fact.value(field) is not None for field in self.present)
            and all(condition.holds(fact) for condition in self.where)
        )


@dataclass(frozen=True, slots=True)
class Ending:
    """Records that end a reference. `join` pairs a field of theirs with one of the reference."""

    selection: Selection
    join: Join


@dataclass(frozen=True, slots=True)
class Reference:
    """The earlier record that sets the terms. It holds from its own time until an ending or its `expires` moment.

    `moment` names the judged record's field with the ISO moment to judge by; without it, the record's own time.
    """

    opened_by: Selection
    join: Join
    ended_by: tuple[Ending, ...] = ()
    expires: str | None = None
    moment: str | None = None


@dataclass(frozen=True, slots=True)
class Has:
    """The record itself fulfils the conditions."""

    where: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Stands:
    """The reference exists and holds."""


@dataclass(frozen=True, slots=True)
class AtMost:
    """A field is at most a field of the reference."""

    field: str
    of: str


@dataclass(frozen=True, slots=True)
class Same:
    """A field equals a field of the reference."""

    field: str
    of: str


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of `field` over judged records with the same `per` is in any window at most a field of the reference.

    A record whose `undoes` field names an earlier record's `identity` takes that one's place in the sum.
    """

    field: str
    of: str
    per: tuple[str, ...]
    window_s: float
    identity: str
    undoes: str


@dataclass(frozen=True, slots=True)
class Apart:
    """Judged records with the same `per` lie at least a field of the reference (seconds) apart."""

    of: str
    per: tuple[str, ...]
    identity: str
    undoes: str


@dataclass(frozen=True, slots=True)
class Before:
    """A record lies at most `window_s` earlier, joined, by the right actor; with `once`, it serves one record only."""

    by: Selection
    join: Join
    window_s: float
    actor: Actor = Actor.ANY
    once: bool = False


@dataclass(frozen=True, slots=True)
class After:
    """A record follows in time, joined, by the right actor. `within_s` is by `depends_on`; the key "" is any other."""

    by: Selection
    join: Join
    within_s: Mapping[str, float]
    depends_on: str | None = None
    actor: Actor = Actor.ANY

    def time_for(self, fact: Fact) -> float | None:
        """Return how long may pass after `fact`; None when nothing has to follow."""
        value = str(fact.value(self.depends_on)) if self.depends_on else ""
        return self.within_s.get(value, self.within_s.get(""))


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of several demands holds."""

    options: tuple[Demand, ...]


What: TypeAlias = Has | Stands | AtMost | Same | Total | Apart | Before | After | AnyOf


@dataclass(frozen=True, slots=True)
class Demand:
    """One thing that a rule asks, and the sentence for people when it is not met."""

    name: str
    sentence: str
    what: What


@dataclass(frozen=True, slots=True)
class Rule:
    """One version of a rule. `plain` is what people read; `source` where it comes from."""

    id: str
    version: int
    title: str
    plain: str
    source: str
    severity: Severity
    on: Selection
    demands: tuple[Demand, ...]
    reference: Reference | None = None
