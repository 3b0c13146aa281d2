"""What the ground floor does when Django or django-axes announces a fact about signing in, or a patient decides."""

from __future__ import annotations

from collections.abc import Mapping

from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from compliance.errors import SealedFieldAltered
from compliance.models import EventCategory, Patient, User
from compliance.services.events import record_error, record_event
from compliance.services.guessing import SUFFIX, account_of
from compliance.services.rights import rights_changed_around
from compliance.services.sessions import KEY, begin_session, end_sessions, find_session
from compliance.signals import consent_changed, sealed_field_refused


def connect() -> None:
    """Connect every handler; called once from AppConfig.ready."""
    user_login_failed.connect(sign_in_failed, dispatch_uid="compliance.sign_in_failed")
    user_logged_in.connect(signed_in, dispatch_uid="compliance.signed_in")
    user_logged_out.connect(signed_out, dispatch_uid="compliance.signed_out")
    user_locked_out.connect(sign_in_locked, dispatch_uid="compliance.sign_in_locked")
    consent_changed.connect(consent_decided, dispatch_uid="compliance.consent_decided")
    sealed_field_refused.connect(field_refused, dispatch_uid="compliance.field_refused")


def field_refused(row: Patient, field: str, **_: object) -> None:
    """Keep that a sealed field was refused, and where."""
    record_error(SealedFieldAltered(), category=EventCategory.SECURITY, patient=row, detail={"field": field})


def consent_decided(patient: Patient, **_: object) -> None:
    """Let whoever sees this patient ask the policy again."""
    rights_changed_around(patient)


def signed_in(request: HttpRequest, user: User, **_: object) -> None:
    """Note where somebody signed in."""
    request.session[KEY] = str(begin_session(user, request.headers.get("User-Agent", "")).pk)


def signed_out(request: HttpRequest, user: User | None = None, **_: object) -> None:
    """End the sign-in, so that pages open in other windows close too."""
    found, _standing = find_session(request.session.get(KEY), user) if user is not None else (None, None)
    if user is not None and found is not None:
        end_sessions([found], user=user, why="signed out")


def sign_in_failed(credentials: Mapping[str, object], request: HttpRequest | None = None, **_: object) -> None:
    """Record a failed sign-in under the account that was tried.

    A name that belongs to nobody is not kept: people type passwords into the name field.
    """
    tried = str(credentials.get("username", ""))
    user = _known(tried)
    code, message = "sign_in_failed", "The password was wrong." if user else "No account has the name that was given."
    if tried.endswith(SUFFIX):
        code, message = "second_factor_failed", "The password was right, the second factor was not."
    record_event(
        category=EventCategory.SECURITY,
        code=code,
        message=message,
        user=user,
        detail=_address(request),
        fold=True,
    )


def sign_in_locked(username: object = None, request: HttpRequest | None = None, **_: object) -> None:
    """Record that too many failures locked an account's password at one address, or its second factor everywhere."""
    second = str(username).endswith(SUFFIX)
    record_event(
        category=EventCategory.SECURITY,
        code="second_factor_locked" if second else "sign_in_locked",
        message="Too many wrong codes: locked for ten minutes." if second else "Too many failed sign-ins: locked.",
        user=_known(username),
        detail=_address(request),
        fold=True,
    )


def _known(username: object) -> User | None:
    return User.objects.filter(username=account_of(username)).first() if isinstance(username, str) else None


def _address(request: HttpRequest | None) -> dict[str, object]:
    return {"address": request.META.get("REMOTE_ADDR", "")} if request is not None else {}
