"""Who asks through the FHIR API, and how far: rights of the person AND scopes of the token."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from compliance.fhir.errors import Forbidden
from compliance.fhir.scopes import Context, FhirScope, contexts_for
from compliance.models import Patient, User
from compliance.policy import Grant, Link, Role, Scope
from compliance.selectors import scope_for

M = TypeVar("M", bound=Model)
READING = {"r", "s"}
OWN = "compliance.view_own_record"


@dataclass(frozen=True, slots=True)
class Access:
    """One authenticated request.

    scopes: None for a signed-in browser, which may read and search whatever its person may. patient_id: the patient
    that a token with `patient/` scopes names. withheld: patients whose consent keeps them from this client. base: this
    API's own address, without a slash at its end. own: the one patient whose own record this is; every type of it may
    be read and none written. outside: what is read leaves the house.
    """

    user: User
    scopes: tuple[FhirScope, ...] | None
    now: datetime
    base: str
    token_id: int | None = None
    patient_id: UUID | None = None
    withheld: Collection[UUID] | QuerySet[Patient, UUID] = ()
    own: UUID | None = None
    outside: bool = False

    @property
    def owner(self) -> str:
        """Names who asks, so that a page of results opens for nobody else."""
        return f"{self.user.pk}:{self.token_id or 'session'}"

    def permits(self, resource: str, letter: str) -> bool:
        """Tell whether the scopes let `letter` (c, r, u, d, s) be done with a resource type."""
        if self.own is not None and letter not in READING:
            return False
        if self.scopes is None:
            return letter in READING
        contexts = contexts_for(self.scopes, resource, letter)
        return bool(contexts - {Context.PATIENT}) or (Context.PATIENT in contexts and self.patient_id is not None)

    def require(self, resource: str, letter: str) -> None:
        """Raise Forbidden unless the scopes let it be done."""
        if not self.permits(resource, letter):
            raise Forbidden(f"The token has no scope for this: it needs user/{resource}.{letter}.")

    def only_patient(self, resource: str, letter: str) -> UUID | None:
        """Return the one patient that the scopes are limited to, or None when they are not."""
        if self.scopes is None or contexts_for(self.scopes, resource, letter) - {Context.PATIENT}:
            return None
        return self.patient_id

    def scope(self, action: str) -> Scope:
        """Return what the policy lets the person do `action` on. Raises Forbidden when that is nothing at all."""
        reach = self.reach(action)
        if reach.empty:
            raise Forbidden
        return reach

    def reach(self, action: str) -> Scope:
        """Return the same, and an empty scope for nothing at all.

        The right to the own record is one right over every kind of data: the table of rights says who may see others'.
        """
        if self.own is None:
            return scope_for(self.user, action)
        return Scope((Grant(Link.OWN, patient_ids=frozenset({self.own})),))

    def narrow(self, rows: QuerySet[M], resource: str, letter: str, patient_field: str) -> QuerySet[M]:
        """Keep the rows that the scopes and the patients' consents leave.

        `patient_field` leads to the patient's id.
        """
        only = self.only_patient(resource, letter)
        if only is not None:
            rows = rows.filter(**{patient_field: only})
        if self.withheld != ():
            rows = rows.filter(Q(**{f"{patient_field}__isnull": True}) | ~Q(**{f"{patient_field}__in": self.withheld}))
        return rows


def own_record_of(user: User) -> UUID | None:
    """Return the patient whose own record a request of `user` reads; None for people who look after others."""
    if user.role != Role.PATIENT or user.own_patient is None or not user.has_perm(OWN, user.own_patient):
        return None
    return user.own_patient_id
