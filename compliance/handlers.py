"""What the ground floor does when Django or django-axes announces a fact about signing in."""

from __future__ import annotations

from collections.abc import Mapping

from axes.signals import user_locked_out
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest

from compliance.models import EventCategory, User
from compliance.services.events import record_event


def connect() -> None:
    """Connect every handler; called once from AppConfig.ready."""
    user_login_failed.connect(sign_in_failed, dispatch_uid="compliance.sign_in_failed")
    user_locked_out.connect(sign_in_locked, dispatch_uid="compliance.sign_in_locked")


def sign_in_failed(credentials: Mapping[str, object], request: HttpRequest | None = None, **_: object) -> None:
    """Record a failed sign-in under the account that was tried.

    A name that belongs to nobody is not kept: people type passwords into the name field.
    """
    user = _known(credentials.get("username"))
    record_event(
        category=EventCategory.SECURITY,
        code="sign_in_failed",
        message="The password or code was wrong." if user else "No account has the name that was given.",
        user=user,
        detail=_address(request),
        fold=True,
    )


def sign_in_locked(username: object = None, request: HttpRequest | None = None, **_: object) -> None:
    """Record that too many failures locked an account for a while at one address."""
    record_event(
        category=EventCategory.SECURITY,
        code="sign_in_locked",
        message="Too many failed sign-ins: locked for ten minutes.",
        user=_known(username),
        detail=_address(request),
        fold=True,
    )


def _known(username: object) -> User | None:
    return User.objects.filter(username=username).first() if isinstance(username, str) else None


def _address(request: HttpRequest | None) -> dict[str, object]:
    return {"address": request.META.get("REMOTE_ADDR", "")} if request is not None else {}
