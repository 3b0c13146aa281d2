"""One judge per demand: it learns from every record, judges those that the rule is about, and sleeps as JSON.

A judge forgets what no later record can need, so that its state stays small however long the log grows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import datetime
from math import inf
from typing import Any, Protocol, TypeAlias

from compliance.rulebook.facts import Fact, Value
from compliance.rulebook.language import After, AnyOf, Apart, AtMost, Before, Has, Same, Stands, Total, What

Key: TypeAlias = str
Json: TypeAlias = Any
LATE_S = 7 * 24 * 3600.0  # an act may be recorded this long after it happened
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Held:
    """The reference of a record: its index, what it says, and whether it holds at the moment judged."""

    index: int
    values: dict[str, Value]
    holds: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """A demand that is not met: the records that show it."""

    indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """Who and what a judged record is about, as far as a finding says."""

    index: int
    patient: str | None
    ward: int | None
    actor: str | None
    at_s: float

    @classmethod
    def of(cls, fact: Fact) -> Judged:
        """Return that of `fact`."""
        return cls(fact.index, fact.patient, fact.ward, fact.actor, fact.at_s)


class Judge(Protocol):
    """What the engine asks of every demand."""

    def learn(self, fact: Fact, now_s: float) -> None:
        """Take note of a record, whichever it is."""

    def judge(self, fact: Fact, moment_s: float, held: Held | None) -> Failure | None:
        """Judge a record that the rule is about."""

    def overdue(self, now_s: float) -> list[Judged]:
        """Return the records whose time ran out before `now_s`, and forget them."""

    def earliest(self) -> float:
        """Return the earliest deadline that is waited for; infinity where there is none."""

    def dump(self) -> Json:
        """Return the state as JSON."""

    def load(self, state: Json) -> None:
        """Take up a state."""


def key_of(fact: Fact, fields: Iterable[str]) -> Key | None:
    """Return the joined values of `fields` as one key; None when one is absent, for nothing joins with nothing."""
    values = [fact.value(field) for field in fields]
    if None in values:
        return None
    return "|".join(repr(value if number_of(value) is None else number_of(value)) for value in values)


def moment_of(value: Value) -> float | None:
    """Return an ISO moment as seconds since 1970; None for anything else."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment.timestamp() if moment is not None and moment.tzinfo is not None else None


def number_of(value: Value) -> float | None:
    """Return a number; None for anything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


class _Plain:
    """A judge without memory."""

    def learn(self, fact: Fact, now_s: float) -> None:
        """Learn nothing."""

    def overdue(self, now_s: float) -> list[Judged]:
        """Wait for nothing."""
        return []

    def earliest(self) -> float:
        """Name no deadline."""
        return inf

    def dump(self) -> Json:
        """Remember nothing."""
        return None

    def load(self, state: Json) -> None:
        """Take up nothing."""


class HasJudge(_Plain):
    """Judges by the record alone."""

    def __init__(self, what: Has) -> None:
        self.what = what

    def judge(self, fact: Fact, moment_s: float, held: Held | None) -> Failure | None:
        """Check every condition."""
        return None if all(condition.holds(fact) for condition in self.what.where) else Failure((fact.index,))


class ReferenceJudge(_Plain):
    """Judges by the reference alone. Without a reference only `stands` fails: the rest has nothing to compare with."""

    def __init__(self, what: Stands | AtMost | Same) -> None:
        self.what = what

    def judge(self, fact: Fact, moment_s: float, held: Held | None) -> Failure | None:
        """Compare with the reference; a value that is missing is not met."""
        if isinstance(self.what, Stands):
            if held is not None and held.holds:
                return None
            return Failure((held.index, fact.index) if held is not None else (fact.index,))
        if held is None or self._met(fact.value(self.what.field), held.values.get(self.what.of)):
            return None
        return Failure((held.index, fact.index))

    def _met(self, mine: Value, other: Value) -> bool:
        if isinstance(self.what, Same):
            return mine is not None and mine == other
        amount, limit = number_of(mine), number_of(other)
        return amount is not None and limit is not None and amount <= limit * (1 + ROUNDING)


class SeriesJudge(_Plain):
    """Judges a record beside the others of its kind: their sum in a window, or how far they lie apart."""

    def __init__(self, what: Total | Apart) -> None:
        self.what = what
        self.window_s = what.window_s if isinstance(what, Total) else LATE_S
        self.entries: dict[Key, list[list[Any]]] = {}  # key -> [moment, amount, index, identity]

    def judge(self, fact: Fact, moment_s: float, held: Held | None) -> Failure | None:
        """Enter the record in its series and judge the series around it."""
        key = key_of(fact, self.what.per)
        if key is None:
            return Failure((fact.index,))
        amount = number_of(fact.value(self.what.field)) if isinstance(self.what, Total) else 0.0
        oldest = moment_s - self.window_s - LATE_S
        others = [entry for entry in self.entries.get(key, []) if entry[0] > oldest]
        kept = [*others, [moment_s, amount or 0.0, fact.index, fact.value(self.what.identity)]]
        self.entries[key] = kept
        limit = number_of(held.values.get(self.what.of)) if held is not None else None
        if held is None or limit is None:
            return None
        return self._apart(others, moment_s, limit, held, fact) or self._total(kept, moment_s, limit, held)

    def learn(self, fact: Fact, now_s: float) -> None:
        """Take out what a record undoes; `judge` puts the record itself in its place where it counts."""
        undone = fact.value(self.what.undoes)
        if undone is not None:
            for key, entries in self.entries.items():
                self.entries[key] = [entry for entry in entries if entry[3] != undone]

    def _apart(self, others: list[list[Any]], moment_s: float, limit: float, held: Held, fact: Fact) -> Failure | None:
        if isinstance(self.what, Total):
            return None
        close = [entry for entry in others if abs(entry[0] - moment_s) < limit]
        return Failure((held.index, *sorted(entry[2] for entry in close), fact.index)) if close else None

    def _total(self, kept: list[list[Any]], moment_s: float, limit: float, held: Held) -> Failure | None:
        if not isinstance(self.what, Total):
            return None
        for start in sorted(entry[0] for entry in kept if moment_s - self.window_s < entry[0] <= moment_s):
            inside = [entry for entry in kept if start <= entry[0] < start + self.window_s]
            if sum(entry[1] for entry in inside) > limit * (1 + ROUNDING):
                return Failure((held.index, *sorted(entry[2] for entry in inside)))
        return None

    def dump(self) -> Json:
        """Return the series."""
        return {key: entries for key, entries in self.entries.items() if entries}

    def load(self, state: Json) -> None:
        """Take up the series."""
        self.entries = {key: [list(entry) for entry in entries] for key, entries in state.items()}


class BeforeJudge(_Plain):
    """Keeps the records that may serve as witnesses for as long as they can."""

    def __init__(self, what: Before) -> None:
        self.what = what
        self.seen: list[list[Any]] = []  # [at, index, key, actor]

    def learn(self, fact: Fact, now_s: float) -> None:
        """Keep a witness; forget those that are too old for any record to come."""
        if self.what.by.takes(fact):
            key = key_of(fact, (other for _, other in self.what.join))
            self.seen = [entry for entry in self.seen if entry[0] >= now_s - self.what.window_s - LATE_S]
            self.seen.append([fact.at_s, fact.index, key, fact.actor])

    def judge(self, fact: Fact, moment_s: float, held: Held | None) -> Failure | None:
        """Look for the newest witness of this record; with `once`, use it up."""
        key = key_of(fact, (mine for mine, _ in self.what.join))
        joined = [entry for entry in self.seen if key is not None and entry[2] == key and entry[1] != fact.index]
        fitting = [
            entry
            for entry in joined
            if fact.at_s - self.what.window_s <= entry[0] <= fact.at_s and self.what.actor.fits(entry[3], fact.actor)
        ]
        if not fitting:
            return Failure((*(entry[1] for entry in joined[-1:]), fact.index))  # the nearest that did not do
        if self.what.once:
            self.seen.remove(fitting[-1])
        return None

    def dump(self) -> Json:
        """Return the witnesses."""
        return self.seen

    def load(self, state: Json) -> None:
        """Take up the witnesses."""
        self.seen = [list(entry) for entry in state]


class AfterJudge(_Plain):
    """Waits for an answer. Time is the log's: a deadline has passed when a later record says that it is later."""

    def __init__(self, what: After) -> None:
        self.what = what
        self.waiting: list[list[Any]] = []  # [deadline, key, *fields of Judged]

    def judge(self, fact: Fact, moment_s: float, held: Held | None) -> Failure | None:
        """Begin to wait."""
        time_s = self.what.time_for(fact)
        if time_s is not None:
            key = key_of(fact, (mine for mine, _ in self.what.join))
            self.waiting.append([fact.at_s + time_s, key, *astuple(Judged.of(fact))])
        return None

    def learn(self, fact: Fact, now_s: float) -> None:
        """Take an answer that came in time."""
        if self.what.by.takes(fact):
            key = key_of(fact, (other for _, other in self.what.join))
            self.waiting = [entry for entry in self.waiting if key is None or not self._answers(fact, key, entry)]

    def _answers(self, fact: Fact, key: Key, entry: list[Any]) -> bool:
        deadline, wanted, judged = entry[0], entry[1], Judged(*entry[2:])
        return wanted == key and fact.at_s <= deadline and self.what.actor.fits(fact.actor, judged.actor)

    def overdue(self, now_s: float) -> list[Judged]:
        """Return what was waited for in vain, by index."""
        late = sorted((Judged(*entry[2:]) for entry in self.waiting if entry[0] < now_s), key=lambda one: one.index)
        self.waiting = [entry for entry in self.waiting if entry[0] >= now_s]
        return late

    def earliest(self) -> float:
        """Return the deadline that comes first."""
        return min((float(entry[0]) for entry in self.waiting), default=inf)

    def dump(self) -> Json:
        """Return what is waited for."""
        return self.waiting

    def load(self, state: Json) -> None:
        """Take up the waiting."""
        self.waiting = [list(entry) for entry in state]


class AnyOfJudge(_Plain):
    """Asks its options in order; the first that holds is enough."""

    def __init__(self, what: AnyOf) -> None:
        self.options = [judge_for(option.what) for option in what.options]

    def learn(self, fact: Fact, now_s: float) -> None:
        """Let every option learn."""
        for option in self.options:
            option.learn(fact, now_s)

    def judge(self, fact: Fact, moment_s: float, held: Held | None) -> Failure | None:
        """Fail with everything that the options hold against the record."""
        indexes = {fact.index}
        for option in self.options:
            failure = option.judge(fact, moment_s, held)
            if failure is None:
                return None
            indexes |= set(failure.indexes)
        return Failure(tuple(sorted(indexes)))

    def dump(self) -> Json:
        """Return the options' states."""
        return [option.dump() for option in self.options]

    def load(self, state: Json) -> None:
        """Take up the options' states."""
        for option, kept in zip(self.options, state, strict=True):
            option.load(kept)


def judge_for(what: What) -> Judge:
    """Return a judge without memories for a demand."""
    match what:
        case Has():
            return HasJudge(what)
        case Stands() | AtMost() | Same():
            return ReferenceJudge(what)
        case Total() | Apart():
            return SeriesJudge(what)
        case Before():
            return BeforeJudge(what)
        case After():
            return AfterJudge(what)
        case AnyOf():
            return AnyOfJudge(what)
