"""The question every view asks first."""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from compliance.errors import NotFound, NotPermitted, SecondFactorNeeded
from compliance.models import BrowserSession, Patient, User
from compliance.policy import Governed
from compliance.policy.asking import current
from compliance.selectors import decision_on, patients_for, scope_for

M = TypeVar("M", bound=Model)


def signed_in(request: HttpRequest) -> User:
    """Return the user; the middleware has already stopped everyone else."""
    if not isinstance(request.user, User):
        raise NotPermitted
    return request.user


def sign_in_of(request: HttpRequest) -> BrowserSession:
    """Return the sign-in behind the request, which the middleware found."""
    found = getattr(request, "browser_session", None)
    if not isinstance(found, BrowserSession):
        raise NotPermitted
    return found


def is_away(request: HttpRequest) -> bool:
    """Tell whether the person was away for so long that they have to show who they are."""
    return bool(getattr(request, "away", False))


def require(request: HttpRequest, action: str, obj: Governed | None = None) -> User:
    """Return the user when the policy lets them do `action` on `obj`, or at all when it is None.

    Raises NotPermitted, and SecondFactorNeeded, which leads to the question, where only a fresh proof is missing.
    """
    user = signed_in(request)
    decision = decision_on(user, action, None if obj is None else obj.policy_resource())
    if not decision.allowed:
        raise NotPermitted
    if decision.confirm and obj is not None:  # what has no object asks where it does something: `require_fresh`
        raise SecondFactorNeeded
    return user


def visible_or_404(queryset: QuerySet[M], **lookup: object) -> M:
    """Return the one row of an already scoped queryset. Absent and forbidden get the same answer.

    Raises NotFound; and SecondFactorNeeded, whatever was asked for, where the list leaves out what is locked.
    """
    found = queryset.filter(**lookup).first()
    if found is None:
        raise SecondFactorNeeded if current().locked else NotFound
    return found


def patient_or_404(request: HttpRequest, patient_id: UUID, action: str = "compliance.view_patient") -> Patient:
    """Return the patient when the user may do `action` for them.

    Raises NotFound, and SecondFactorNeeded where only a fresh proof is missing.
    """
    user = signed_in(request)
    found = visible_or_404(patients_for(user, action, once_confirmed=True), pk=patient_id)
    if scope_for(user, action).confirm:
        raise SecondFactorNeeded
    return found


def may_once_confirmed(user: User | AnonymousUser, action: str, obj: Governed) -> bool:
    """Tell whether to offer `action` on `obj`: what it leads to asks for a second factor where one is needed."""
    return decision_on(user, action, obj.policy_resource()).allowed
