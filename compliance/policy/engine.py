"""Decides. Pure functions over frozen facts: the same `Scope` answers "this one?" and "which ones?", so that a list can
never show what the object check would refuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from compliance.policy.rules import ROLE_RULES, Reach, Role


@dataclass(frozen=True, slots=True)
class Subject:
    """Who asks: role and relationships that hold now."""

    role: Role
    ward_ids: frozenset[int]
    patient_ids: frozenset[UUID]
    active: bool = True


@dataclass(frozen=True, slots=True)
class Resource:
    """What is asked about: the patient it belongs to, the ward it stands in, or both."""

    patient_id: UUID | None = None
    ward_id: int | None = None


class Governed(Protocol):
    """An object that the policy can judge."""

    def policy_resource(self) -> Resource:
        """Return the patient and ward that this object belongs to."""
        ...


@dataclass(frozen=True, slots=True)
class Scope:
    """The wards and patients that a right reaches. Empty means nothing at all."""

    ward_ids: frozenset[int] = frozenset()
    patient_ids: frozenset[UUID] = frozenset()

    def covers(self, resource: Resource) -> bool:
        """Tell whether `resource` lies inside."""
        return resource.patient_id in self.patient_ids or resource.ward_id in self.ward_ids

    @property
    def empty(self) -> bool:
        """Tell whether nothing lies inside."""
        return not (self.ward_ids or self.patient_ids)


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes or no, and why."""

    allowed: bool
    reason: str

    def __bool__(self) -> bool:
        return self.allowed


def scope_of(subject: Subject, action: str) -> Scope:
    """Return everything on which `subject` may do `action`. Unknown actions and roles reach nothing."""
    if not subject.active:
        return Scope()
    reach = ROLE_RULES.get(subject.role, {}).get(action)
    if reach is Reach.WARD:
        return Scope(subject.ward_ids, subject.patient_ids)
    if reach is Reach.LINKED:
        return Scope(patient_ids=subject.patient_ids)
    return Scope()


def decide(subject: Subject, action: str, resource: Resource | None = None) -> Decision:
    """Decide whether `subject` may do `action` on `resource`, or at all when `resource` is None."""
    if not subject.active:
        return Decision(False, "this account is switched off")
    if action not in ROLE_RULES.get(subject.role, {}):
        return Decision(False, f"a {subject.role} has no right to {action}")
    scope = scope_of(subject, action)
    if resource is None:
        return Decision(
            not scope.empty,
            "the role has this right" if not scope.empty else "no ward or patient is linked to this person",
        )
    if resource.patient_id in scope.patient_ids:
        return Decision(True, "linked to this patient by name")
    if resource.ward_id in scope.ward_ids:
        return Decision(True, "works on this ward")
    return Decision(False, "no care relationship with this patient or ward")
