"""Reads. Every list starts from a scope, so that nobody sees a row whose object check would refuse."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from django.contrib.auth.models import AnonymousUser
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from compliance.models import CareRelationship, Patient, User
from compliance.policy import Role, Scope, Subject, scope_of

M = TypeVar("M", bound=Model)


def subject_of(user: User | AnonymousUser, now: datetime | None = None) -> Subject:
    """Return the policy's view of `user`: role and the care relationships that hold at `now`."""
    if not isinstance(user, User) or not user.is_active:
        return Subject(Role.NONE, frozenset(), frozenset(), active=False)
    at = now or timezone.now()
    held = CareRelationship.objects.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=at), user=user, starts_at__lte=at)
    pairs = list(held.values_list("ward_id", "patient_id"))
    return Subject(
        Role(user.role),
        frozenset(ward for ward, _ in pairs if ward is not None),
        frozenset(patient for _, patient in pairs if patient is not None),
    )


def scope_for(user: User | AnonymousUser, action: str) -> Scope:
    """Return everything on which `user` may do `action` now."""
    return scope_of(subject_of(user), action)


def within_scope(
    queryset: QuerySet[M], scope: Scope, patient_field: str = "patient", ward_field: str | None = None
) -> QuerySet[M]:
    """Keep the rows that `scope` covers.

    `patient_field` leads to the row's patient ("" when the row is the patient); `ward_field` leads to a ward id for
    rows that may have no patient.
    """
    prefix = f"{patient_field}__" if patient_field else ""
    inside = Q(**{f"{prefix}id__in": scope.patient_ids}) | Q(**{f"{prefix}ward_id__in": scope.ward_ids})
    if ward_field:
        inside |= Q(**{f"{patient_field}__isnull": True, f"{ward_field}__in": scope.ward_ids})
    return queryset.filter(inside)


def patients_for(user: User | AnonymousUser, action: str = "compliance.view_patient") -> QuerySet[Patient]:
    """Return the patients on whom `user` may do `action`."""
    return within_scope(Patient.objects.select_related("ward"), scope_for(user, action), patient_field="")


def people_who_may(action: str, patient: Patient) -> list[User]:
    """Return every active user who may do `action` for `patient` now: the recipients of an alert, for example."""
    at = timezone.now()
    near = (
        User.objects.filter(is_active=True)
        .filter(
            Q(care_relationships__ends_at__isnull=True) | Q(care_relationships__ends_at__gt=at),
            Q(care_relationships__ward_id=patient.ward_id) | Q(care_relationships__patient_id=patient.id),
            care_relationships__starts_at__lte=at,
        )
        .distinct()
    )
    resource = patient.policy_resource()
    return [user for user in near if scope_of(subject_of(user, at), action).covers(resource)]
