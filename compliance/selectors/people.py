"""Reads. Every list starts from a scope, so that nobody sees a row whose object check would refuse."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from compliance.models import Patient, User
from compliance.policy import Decision, Grant, Link, Resource, Role, Scope, Subject, decide, scope_of
from compliance.policy.asking import asking, current, once
from compliance.selectors.policy import active_policy, circumstances_of, near, subjects_of

M = TypeVar("M", bound=Model)
NOBODY = Subject(Role.NONE, frozenset(), frozenset(), active=False)


def subject_of(user: User | AnonymousUser, now: datetime | None = None) -> Subject:
    """Return the policy's view of `user` at `now`: role, shift, and the care relationships that hold."""
    if not isinstance(user, User) or not user.is_active:
        return NOBODY
    if now is not None:
        return subjects_of([user], active_policy(), now)[user.pk]
    return once(("subject", user.pk), lambda: subjects_of([user], active_policy(), timezone.now())[user.pk])


def decision_on(user: User | AnonymousUser, action: str, resource: Resource | None = None) -> Decision:
    """Return whether `user` may do `action` on `resource` now, or at all when it is None, and why."""
    policy, subject = active_policy(), subject_of(user)
    return decide(policy, subject, action, circumstances_of(policy, subject.role, [action]), resource)


def scope_for(user: User | AnonymousUser, action: str, *, once_confirmed: bool = False) -> Scope:
    """Return everything on which `user` may do `action` now.

    once_confirmed: with what a fresh second factor would open, for a page that asks for it before it acts.
    """
    if not isinstance(user, User):
        return Scope()
    found = once(("scope", user.pk, action), lambda: _scope(user, action))
    if once_confirmed:
        return found.once_confirmed
    if found.confirm:
        current().locked.add(action)  # so that the page can say that something is missing, and how to see it
    return found


def _scope(user: User, action: str) -> Scope:
    policy, subject = active_policy(), subject_of(user)
    return scope_of(policy, subject, action, circumstances_of(policy, subject.role, [action]))


def within_scope(
    queryset: QuerySet[M], scope: Scope, patient_field: str | None = "patient", ward_field: str | None = None
) -> QuerySet[M]:
    """Keep the rows that `scope` covers.

    `patient_field` leads to the row's patient ("" when the row is the patient, None when it never has one);
    `ward_field` leads to a ward id for rows that may have no patient. A model whose rows have a state that the policy
    judges names the field in `device_state_field`.
    """
    state_field = getattr(queryset.model, "device_state_field", None)
    inside = Q(pk__in=[])
    for grant in scope.grants:
        inside |= _inside(grant, patient_field, ward_field) & ~_excluded(grant, patient_field, state_field)
    return queryset.filter(inside)


def _inside(grant: Grant, patient_field: str | None, ward_field: str | None) -> Q:
    found = Q(pk__in=[])
    alone = Q()  # rows without a patient
    if patient_field is not None:
        prefix = f"{patient_field}__" if patient_field else ""
        found |= Q(**{f"{prefix}id__in": grant.patient_ids}) | Q(**{f"{prefix}ward_id__in": grant.ward_ids})
        alone = Q(**{f"{patient_field}__isnull": True}) if patient_field else Q(pk__in=[])
    if ward_field:
        found |= alone & Q(**{f"{ward_field}__in": grant.ward_ids})
        if grant.link is Link.HOUSE:
            found |= alone & Q(**{f"{ward_field}__isnull": True})
    return found


def _excluded(grant: Grant, patient_field: str | None, state_field: str | None) -> Q:
    found = Q(pk__in=[])
    for exclusion in grant.excluded:
        taken = Q()
        if exclusion.patient_ids is not None:
            key = f"{patient_field}__id__in" if patient_field else "id__in"
            taken &= Q(**{key: exclusion.patient_ids}) if patient_field is not None else Q(pk__in=[])
        if exclusion.device_states is not None:
            taken &= Q(**{f"{state_field}__in": exclusion.device_states}) if state_field else Q(pk__in=[])
        found |= taken
    return found


def patients_for(
    user: User | AnonymousUser, action: str = "compliance.view_patient", *, once_confirmed: bool = False
) -> QuerySet[Patient]:
    """Return the patients on whom `user` may do `action` now, or once a second factor is fresh."""
    scope = scope_for(user, action, once_confirmed=once_confirmed)
    return within_scope(Patient.objects.select_related("ward"), scope, patient_field="")


def people_who_may(action: str, patient: Patient) -> list[User]:
    """Return every active user who may do `action` for `patient` now: the recipients of an alert, for example."""
    return people_who_may_each(action, [patient])[patient.pk]


def people_who_may_each(action: str, patients: Iterable[Patient], at: datetime | None = None) -> dict[UUID, list[User]]:
    """Return for each patient every active user who may do `action` for them at `at`.

    In a handful of queries however many they are: this runs where readings are written. What waits for a fresh second
    factor counts: an alarm must reach whoever can prove in a moment who they are.
    """
    wanted, now = list(patients), at or timezone.now()
    people = User.objects.filter(near(wanted, now), is_active=True).order_by("pk")
    known = {user.pk: user for user in people}
    found: dict[UUID, list[User]] = {patient.pk: [] for patient in wanted}
    with asking():  # for their purposes, not for that of whoever is served now
        policy = active_policy()
        for pk, subject in subjects_of(known.values(), policy, now).items():
            scope = scope_of(policy, subject, action, circumstances_of(policy, subject.role, [action], now))
            for patient in wanted:
                if scope.once_confirmed.covers(patient.policy_resource()):
                    found[patient.pk].append(known[pk])
    return found
