"""Who is signed in under a session now: asked by what outlives a request, such as an open socket."""

from __future__ import annotations

from importlib import import_module

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from compliance.models import User


def holder_of(session_key: str) -> User | None:
    """Return the person, or None when the session was signed out, expired, or the password has changed since."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    return user if isinstance(user, User) else None
