"""Questions to the policy that change nothing: who could, why, and what another version would change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from compliance.models import Patient, User, Ward
from compliance.policy import (
    ACTIONS,
    Circumstances,
    Decision,
    Governed,
    Policy,
    Purpose,
    Resource,
    Subject,
    decide,
)
from compliance.policy.tracing import Step, trace
from compliance.selectors.consents import refusing_patients
from compliance.selectors.policy import active_policy, subjects_of


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What is assumed instead of what is."""

    purpose: Purpose | None = None
    fresh: bool = False
    off_shift: bool = False
    refused: bool = False  # the patient refuses every use
    opened: bool = False  # everybody whose role may has opened the record in an emergency
    device_state: str | None = None
    at: datetime | None = None  # None: now


@dataclass(frozen=True, slots=True)
class About:
    """What is asked about: one thing, or any thing of a patient, of a ward, or of the house."""

    patient: Patient | None = None
    ward: Ward | None = None
    thing: Governed | None = None

    @property
    def place(self) -> Resource:
        """Return what the policy judges, as it stands."""
        if self.thing is not None:
            return self.thing.policy_resource()
        if self.patient is not None:
            return self.patient.policy_resource()
        return Resource(None, self.ward.pk if self.ward else None)

    def resource(self, state: str | None) -> Resource:
        """Return what the policy judges, in another state where one is assumed."""
        return self.place if state is None else replace(self.place, device_state=state)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the policy says about one person and one action."""

    user: User
    action: str
    decision: Decision
    question: tuple[Policy, Subject, str, Circumstances, Resource]

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return what was asked and answered on the way; worked out where it is shown."""
        return tuple(trace(*self.question))

    @property
    def attribute(self) -> str:
        """Return the attribute that decided."""
        return next(step.attribute for step in self.steps if step.decides)

    @property
    def words(self) -> str:
        """Return the action in words."""
        return ACTIONS[self.action]


def ask(people: Iterable[User], actions: Iterable[str], about: About, assumed: WhatIf) -> list[Answer]:
    """Return for each of `people` and `actions` whether they could do it to the thing, and why."""
    policy, found, wanted = active_policy(), list(people), list(actions)
    when = _circumstances(policy, assumed, about)
    resource = about.resource(assumed.device_state)
    subjects = subjects_of(found, policy, when.at)
    return [
        _answer(policy, user, _assumed(subjects[user.pk], assumed, about), action, when, resource)
        for user in found
        for action in wanted
    ]


def _answer(
    policy: Policy, user: User, subject: Subject, action: str, when: Circumstances, resource: Resource
) -> Answer:
    decision = decide(policy, subject, action, when, resource)
    return Answer(user, action, decision, (policy, subject, action, when, resource))


def _assumed(subject: Subject, assumed: WhatIf, about: About) -> Subject:
    if assumed.off_shift:
        subject = replace(subject, on_shift=False)
    if assumed.opened and (patient := about.place.patient_id) is not None:
        subject = replace(subject, opened=subject.opened | {patient})
    return subject


def _circumstances(policy: Policy, assumed: WhatIf, about: About) -> Circumstances:
    refusals, patient = refusals_asked(policy), about.place.patient_id
    if assumed.refused and patient is not None:
        refusals = {purpose: ids | {patient} for purpose, ids in refusals.items()}
    return Circumstances(assumed.at or timezone.now(), assumed.purpose, assumed.fresh, refusals)


def refusals_asked(*policies: Policy) -> dict[Purpose, frozenset[UUID]]:
    """Return who refuses what, of every use that a rule of these policies asks about."""
    rules = [rule for policy in policies for rule in policy.rules]
    asked = {rule.consent_refused for rule in rules if rule.consent_refused is not None}
    return {purpose: frozenset(refusing_patients(purpose)) for purpose in asked}


def by_role(found: Iterable[Answer], first: Iterable[str] = ()) -> Iterator[Answer]:
    """Yield those who could first, then the others, each by name; the rights in `first` before all others."""
    ahead = frozenset(first)
    yield from sorted(
        found,
        key=lambda one: (
            one.action not in ahead, not one.decision.allowed, one.user.role, one.user.username, one.words,
        ),
    )  # fmt: skip
