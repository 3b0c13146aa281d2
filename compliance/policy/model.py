"""What a decision is made from: the policy that was read, who asks, and under which circumstances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from compliance.policy.rules import SENSITIVE, Effect, Link, Purpose, Reach, Role

UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Rule:
    """Takes away from the rights where all of its conditions hold. An empty condition holds always."""

    name: str
    effect: Effect
    because: str
    roles: frozenset[Role] = frozenset()
    actions: frozenset[str] = frozenset()
    sensitive: bool = False  # only actions that are marked sensitive
    links: frozenset[Link] = frozenset()
    purposes: frozenset[Purpose] = frozenset()
    consent_refused: Purpose | None = None
    off_shift: bool = False
    hours: tuple[time, time] | None = None  # from, until; over midnight when the first is later
    device_states: frozenset[str] = frozenset()

    def concerns(self, role: Role, action: str) -> bool:
        """Tell whether the rule speaks of this role and action."""
        if self.sensitive and action not in SENSITIVE:
            return False
        return (not self.roles or role in self.roles) and (not self.actions or action in self.actions)


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """Which roles may open a record in an emergency, for what, for how long, and with which reasons (code: words)."""

    roles: frozenset[Role] = frozenset()
    actions: frozenset[str] = frozenset()
    minutes: int = 0
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that was read and found whole."""

    name: str
    sha256: str  # of its text
    rights: Mapping[Role, Mapping[str, Reach]]
    purposes: Mapping[Role, tuple[Purpose, ...]]
    rules: tuple[Rule, ...] = ()
    break_glass: BreakGlass = BreakGlass()
    shift_grace_min: int = 0
    time_zone: ZoneInfo = UTC
    four_eyes: bool = False  # another version decides only when somebody else than its author lets it

    def reach(self, role: Role, action: str) -> Reach | None:
        """Return how far the role's right to `action` reaches; None when there is no such right."""
        return self.rights.get(role, {}).get(action)

    def purpose_of(self, role: Role, declared: Purpose | None) -> Purpose | None:
        """Return the purpose that counts: the declared one, or the role's first; None when the role has no such."""
        allowed = self.purposes.get(role, ())
        if declared is None:
            return allowed[0] if allowed else None
        return declared if declared in allowed else None

    def consents_asked(self, role: Role, action: str) -> frozenset[Purpose]:
        """Return the purposes whose refusals a decision about this role and action has to know."""
        asked = (rule.consent_refused for rule in self.rules if rule.concerns(role, action))
        return frozenset(purpose for purpose in asked if purpose is not None)


@dataclass(frozen=True, slots=True)
class Subject:
    """Who asks: role, and what links them to patients at this moment."""

    role: Role
    ward_ids: frozenset[int]
    patient_ids: frozenset[UUID]
    active: bool = True
    on_shift: bool = True  # also true of whoever has no recorded shifts
    own: frozenset[UUID] = frozenset()  # the record of the person, who is a patient
    opened: frozenset[UUID] = frozenset()  # patients whose records this person opened in an emergency


@dataclass(frozen=True, slots=True)
class Circumstances:
    """When, what for, and what patients said. A refusal that was not looked up counts as given."""

    at: datetime
    purpose: Purpose | None = None  # None: the role's usual one
    fresh: bool = False  # a second factor within the last minutes
    refusals: Mapping[Purpose, frozenset[UUID]] = field(default_factory=dict)
