"""Guessing a second factor locks it. django-axes counts, per account and over all addresses: whoever guesses here knows
the password already, so that nobody can lock out a stranger."""

from __future__ import annotations

from collections.abc import Mapping

from axes.handlers.proxy import AxesProxyHandler
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest

from compliance.models import User

SUFFIX = "#second-factor"  # no sign-in name may hold a '#'


def lockout_parameters(_request: object, credentials: Mapping[str, object] | None) -> list[str | list[str]]:
    """Tell django-axes what is locked: a password at one address, a second factor everywhere."""
    tried = str((credentials or {}).get("username", ""))
    return ["username"] if tried.endswith(SUFFIX) else [["username", "ip_address"]]


def locked(request: HttpRequest, user: User) -> bool:
    """Tell whether too many wrong second factors were tried for this account."""
    return not AxesProxyHandler.is_allowed(request, _credentials(user))


def count_failure(request: HttpRequest, user: User) -> None:
    """Count one wrong second factor; the one that reaches the limit gets the page of the locked out."""
    user_login_failed.send(sender=__name__, credentials=_credentials(user), request=request)


def forget_failures(user: User) -> None:
    """Start counting anew after a success."""
    AxesProxyHandler.reset_attempts(username=_credentials(user)["username"])


def account_of(tried: str) -> str:
    """Return the sign-in name behind what django-axes counted."""
    return tried.removesuffix(SUFFIX)


def _credentials(user: User) -> dict[str, str]:
    return {"username": f"{user.username}{SUFFIX}"}
