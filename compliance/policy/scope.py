"""What a right reaches, as sets that answer "this one?" and "which ones?" alike, so that a list can never show what the
object check would refuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from compliance.policy.rules import Link


@dataclass(frozen=True, slots=True)
class Resource:
    """What is asked about: the patient it belongs to, the ward it is in, and its state when it is a device.

    The ward of what belongs to a patient is the patient's: lists look it up there.
    """

    patient_id: UUID | None = None
    ward_id: int | None = None
    device_state: str | None = None


class Governed(Protocol):
    """An object that the policy can judge."""

    def policy_resource(self) -> Resource:
        """Return the patient and ward that this object belongs to."""
        ...


@dataclass(frozen=True, slots=True)
class Exclusion:
    """What a rule takes out of a grant: objects of these patients and in these states; None stands for any."""

    rule: str
    because: str
    patient_ids: frozenset[UUID] | None = None
    device_states: frozenset[str] | None = None

    @property
    def total(self) -> bool:
        """Tell whether nothing is left."""
        return self.patient_ids is None and self.device_states is None

    def covers(self, resource: Resource) -> bool:
        """Tell whether `resource` is taken out."""
        patient = self.patient_ids is None or resource.patient_id in self.patient_ids
        state = self.device_states is None or resource.device_state in self.device_states
        return patient and state


@dataclass(frozen=True, slots=True)
class Grant:
    """What is reached through one link, and what rules take out of it."""

    link: Link
    ward_ids: frozenset[int] = frozenset()
    patient_ids: frozenset[UUID] = frozenset()
    excluded: tuple[Exclusion, ...] = ()

    def reaches(self, resource: Resource) -> bool:
        """Tell whether the link leads to `resource`, whatever the rules say."""
        if self.link is Link.HOUSE:
            return resource.patient_id is None and resource.ward_id is None
        return resource.patient_id in self.patient_ids or resource.ward_id in self.ward_ids

    def exclusion_of(self, resource: Resource) -> Exclusion | None:
        """Return the first rule that takes `resource` out."""
        return next((exclusion for exclusion in self.excluded if exclusion.covers(resource)), None)

    def covers(self, resource: Resource) -> bool:
        """Tell whether `resource` lies inside."""
        return self.reaches(resource) and self.exclusion_of(resource) is None

    @property
    def empty(self) -> bool:
        """Tell whether nothing can lie inside."""
        nothing = self.link is not Link.HOUSE and not self.ward_ids and not self.patient_ids
        return nothing or any(exclusion.total for exclusion in self.excluded)


@dataclass(frozen=True, slots=True)
class Scope:
    """Everything that a right reaches now: the union of its grants. Without grants it is nothing at all.

    `locked` is what a fresh second factor would open, and `confirm` the rule that asks for one: a list shows none of
    it, as the object check lets nobody act on it before they have proved who they are.
    """

    grants: tuple[Grant, ...] = ()
    locked: tuple[Grant, ...] = ()
    confirm: str = ""

    @property
    def once_confirmed(self) -> Scope:
        """What the right reaches with a fresh second factor: for whatever asks for one before it acts."""
        return Scope(self.grants + self.locked)

    def covers(self, resource: Resource) -> bool:
        """Tell whether `resource` lies inside."""
        return any(grant.covers(resource) for grant in self.grants)

    @property
    def empty(self) -> bool:
        """Tell whether nothing lies inside."""
        return not self.grants

    @property
    def ward_ids(self) -> frozenset[int]:
        """The wards that are reached, for things that no rule takes out: a ward itself."""
        return frozenset[int]().union(*(grant.ward_ids for grant in self.grants))

    @property
    def patient_ids(self) -> frozenset[UUID]:
        """The patients that are reached by name and not taken out."""
        return frozenset(
            patient
            for grant in self.grants
            for patient in grant.patient_ids
            if grant.exclusion_of(Resource(patient_id=patient)) is None
        )
