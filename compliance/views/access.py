"""The question every view asks first."""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import HttpRequest

from compliance.errors import NotFound, NotPermitted
from compliance.models import Patient, User
from compliance.selectors import patients_for

M = TypeVar("M", bound=Model)


def signed_in(request: HttpRequest) -> User:
    """Return the user; the middleware has already stopped everyone else."""
    if not isinstance(request.user, User):
        raise NotPermitted
    return request.user


def require(request: HttpRequest, action: str, obj: object | None = None) -> User:
    """Return the user when the policy lets them do `action` on `obj`; raise NotPermitted otherwise."""
    user = signed_in(request)
    if not user.has_perm(action, obj):  # type: ignore[arg-type]
        raise NotPermitted
    return user


def visible_or_404(queryset: QuerySet[M], **lookup: object) -> M:
    """Return the one row of an already scoped queryset. Absent and forbidden get the same answer."""
    found = queryset.filter(**lookup).first()
    if found is None:
        raise NotFound
    return found


def patient_or_404(request: HttpRequest, patient_id: UUID, action: str = "compliance.view_patient") -> Patient:
    """Return the patient when the user may do `action` for them."""
    return visible_or_404(patients_for(signed_in(request), action), pk=patient_id)
