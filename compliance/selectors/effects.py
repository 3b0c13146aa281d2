"""What another version of the policy would change: for each person and right, the things on which the decision turns.

Worked out with sets. People of the same standing share one answer, a right whose scope is the same under both versions
is passed over, and reasons are asked for of those changes alone that somebody looks at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import reduce
from uuid import UUID

from compliance.models import Patient, User, Ward
from compliance.policy import (
    ACTIONS,
    Circumstances,
    Decision,
    Grant,
    Link,
    Policy,
    Resource,
    Role,
    Scope,
    Subject,
    scope_of,
)
from compliance.policy import judge as judge_of
from compliance.policy.finders import all_finders
from compliance.policy.kinds import KINDS, Place
from compliance.selectors.policy import subjects_of
from compliance.selectors.simulator import refusals_asked

PATIENT, WARD, HOUSE = "record", "ward", "house"  # kinds of things beside those that have a state
NOTHING: frozenset[int] = frozenset()


class Turn(StrEnum):
    """How a decision changes. What waits for a fresh second factor is still allowed: it is locked, not lost."""

    GAINS = "gains"
    LOSES = "loses"
    LOCKED = "locked"  # waits for a fresh second factor from then on
    UNLOCKED = "unlocked"


@dataclass(frozen=True, slots=True)
class Thing:
    """What is judged: a patient's record and all that belongs to it, what hangs in a ward, the house, or one device."""

    kind: str
    pk: object
    resource: Resource


@dataclass(frozen=True, slots=True)
class Group:
    """The things on which one person's right takes one turn; numbers of things in `Effects.things`, in their order."""

    user: User
    action: str
    turn: Turn
    things: tuple[int, ...]
    before: Subject
    after: Subject


@dataclass(frozen=True, slots=True)
class Change:
    """One decision that differs."""

    user: User
    action: str
    turn: Turn
    thing: Thing
    before: Decision
    after: Decision

    @property
    def words(self) -> str:
        """Return the right in words."""
        return ACTIONS[self.action]


@dataclass(frozen=True, slots=True)
class Total:
    """How many decisions about one person and one right take which turn."""

    user: User
    action: str
    turns: dict[Turn, int] = field(default_factory=lambda: dict.fromkeys(Turn, 0))

    @property
    def words(self) -> str:
        """Return the right in words."""
        return ACTIONS[self.action]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which changes somebody wants to see; an empty filter keeps everything."""

    turn: str = ""
    role: str = ""
    action: str = ""
    ward_id: int | None = None


@dataclass(frozen=True, slots=True)
class Effects:
    """All changes from one policy to another."""

    old: Policy
    new: Policy
    when: Circumstances
    things: tuple[Thing, ...]
    groups: tuple[Group, ...]

    def within(self, scope: Scope, wanted: Wanted) -> Effects:
        """Keep what lies inside `scope`, the house itself, and what is wanted."""
        kept = frozenset(
            number
            for number, thing in enumerate(self.things)
            if (thing.kind == HOUSE or scope.covers(thing.resource))
            and (wanted.ward_id is None or thing.resource.ward_id == wanted.ward_id)
        )
        groups = []
        for group in self.groups:
            if wanted.turn in {"", group.turn} and wanted.role in {"", group.user.role}:
                things = tuple(number for number in group.things if number in kept)
                if things and wanted.action in {"", group.action}:
                    groups.append(Group(group.user, group.action, group.turn, things, group.before, group.after))
        return Effects(self.old, self.new, self.when, self.things, tuple(groups))

    def __len__(self) -> int:
        return sum(len(group.things) for group in self.groups)

    def counts(self) -> dict[Turn, int]:
        """Return how many decisions take each turn."""
        found = dict.fromkeys(Turn, 0)
        for group in self.groups:
            found[group.turn] += len(group.things)
        return found

    def totals(self) -> list[Total]:
        """Return for each person and right how many decisions take which turn."""
        found: dict[tuple[int, str], Total] = {}
        for group in self.groups:
            total = found.setdefault((group.user.pk, group.action), Total(group.user, group.action))
            total.turns[group.turn] = len(group.things)
        return list(found.values())

    def rows(self, start: int, end: int) -> Iterator[Change]:
        """Yield the changes number `start` up to `end`, each with both decisions and their reasons."""
        passed = 0
        for group in self.groups:
            first, last = max(start - passed, 0), min(end - passed, len(group.things))
            passed += len(group.things)
            if first < last:
                yield from self._of(group, group.things[first:last])

    def _of(self, group: Group, numbers: Iterable[int]) -> Iterator[Change]:
        was = judge_of(self.old, group.before, group.action, self.when)
        will = judge_of(self.new, group.after, group.action, self.when)
        for number in numbers:
            thing = self.things[number]
            before, after = was.on(thing.resource), will.on(thing.resource)
            yield Change(group.user, group.action, group.turn, thing, before, after)


def effects(before: Policy, after: Policy, at: datetime) -> Effects:
    """Return every decision that would differ if `after` decided instead of `before`, as things stand at `at`.

    Without a fresh second factor and for the usual purpose of each role; a person who is switched off is left out.
    """
    when = Circumstances(at, refusals=refusals_asked(before, after))
    users = list(User.objects.filter(is_active=True).exclude(role=Role.NONE.value).order_by("role", "username"))
    old, new = subjects_of(users, before, at), subjects_of(users, after, at)
    index = _Index.of(tuple(_things(before, after)), before, after)
    known: dict[tuple[Subject, Subject], dict[str, dict[Turn, tuple[int, ...]]]] = {}
    groups = []
    for user in users:
        standing = (old[user.pk], new[user.pk])
        if standing not in known:
            known[standing] = {
                action: _turns(scope_of(before, standing[0], action, when), scope_of(after, standing[1], action, when),
                               index, action)
                for action in ACTIONS
                if action in before.rights.get(standing[0].role, {}) or action in after.rights.get(standing[1].role, {})
            }  # fmt: skip
        for action, turns in known[standing].items():
            groups += [Group(user, action, turn, things, *standing) for turn, things in turns.items()]
    return Effects(before, after, when, index.things, tuple(groups))


def _things(*policies: Policy) -> Iterator[Thing]:
    """Yield everything that decisions can tell apart.

    What belongs to a patient is judged as the patient, and stands here once; a device stands here by itself where a
    rule asks about its state.
    """
    yield Thing(HOUSE, None, Resource())
    for pk in Ward.objects.order_by("name").values_list("pk", flat=True):
        yield Thing(WARD, pk, Resource(ward_id=pk))
    for patient, ward in Patient.objects.order_by("ward__name", "bed", "pk").values_list("pk", "ward_id"):
        yield Thing(PATIENT, patient, Resource(patient, ward))
    if any(rule.device_states for policy in policies for rule in policy.rules):
        for finder in all_finders():
            for pk, resource in finder.states() if finder.states is not None else ():
                yield Thing(finder.kind, pk, resource)


@dataclass(slots=True)
class _Index:
    """Which things lie where, by their numbers, and which of them an action is asked about."""

    things: tuple[Thing, ...]
    of_patient: dict[UUID, set[int]] = field(default_factory=dict)
    in_ward: dict[int, set[int]] = field(default_factory=dict)
    in_state: dict[str, set[int]] = field(default_factory=dict)
    house: frozenset[int] = NOTHING
    asked: dict[str, frozenset[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, things: tuple[Thing, ...], *policies: Policy) -> _Index:
        """Sort `things`."""
        index, by_kind = cls(things), dict[str, set[int]]()
        for number, thing in enumerate(things):
            place = thing.resource
            by_kind.setdefault(thing.kind, set()).add(number)
            if place.patient_id is not None:
                index.of_patient.setdefault(place.patient_id, set()).add(number)
            if place.ward_id is not None:
                index.in_ward.setdefault(place.ward_id, set()).add(number)
            if place.device_state is not None:
                index.in_state.setdefault(place.device_state, set()).add(number)
        index.house = frozenset(by_kind.get(HOUSE, ()))
        for action in ACTIONS:
            kinds = _kinds_of(action, policies)
            index.asked[action] = NOTHING.union(*(by_kind.get(kind, set()) for kind in kinds))
        return index

    def covered(self, grants: Iterable[Grant], action: str) -> frozenset[int]:
        """Return the things on which `grants` allow `action`: as `Grant.covers`, for all of them at once."""
        return reduce(frozenset.union, (self._by(grant) for grant in grants), NOTHING) & self.asked[action]

    def _by(self, grant: Grant) -> frozenset[int]:
        if grant.link is Link.HOUSE:
            reached = self.house
        else:
            wards = (self.in_ward.get(ward, NOTHING) for ward in grant.ward_ids)
            reached = NOTHING.union(*wards, *(self.of_patient.get(pk, NOTHING) for pk in grant.patient_ids))
        for exclusion in grant.excluded:
            taken = reached
            if exclusion.patient_ids is not None:
                taken = taken & NOTHING.union(*(self.of_patient.get(pk, NOTHING) for pk in exclusion.patient_ids))
            if exclusion.device_states is not None:
                taken = taken & NOTHING.union(*(self.in_state.get(state, NOTHING) for state in exclusion.device_states))
            reached -= taken
        return reached


def _kinds_of(action: str, policies: Iterable[Policy]) -> set[str]:
    """Return the kinds of things on which `action` is judged."""
    of = [(code, kind) for code, kind in KINDS.items() if action in kind.actions]
    names = {Place.PATIENT: PATIENT, Place.WARD: WARD, Place.HOUSE: HOUSE}
    kinds = {HOUSE} | {names[kind.place] for _, kind in of}
    rules = (rule for policy in policies for rule in policy.rules if rule.device_states)
    if any(not rule.actions or action in rule.actions for rule in rules):
        kinds |= {code for code, kind in of if kind.has_state}
    return kinds


def _turns(was: Scope, will: Scope, index: _Index, action: str) -> dict[Turn, tuple[int, ...]]:
    if was == will:
        return {}
    had, has = index.covered(was.once_confirmed.grants, action), index.covered(will.once_confirmed.grants, action)
    found = {Turn.LOSES: had - has, Turn.GAINS: has - had}
    if bool(was.confirm) is not bool(will.confirm):
        found[Turn.LOCKED if will.confirm else Turn.UNLOCKED] = had & has
    return {turn: tuple(sorted(things)) for turn, things in found.items() if things}
