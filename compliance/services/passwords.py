"""Changing one's password. Every other session of the person ends with it, since sessions carry a hash of it."""

from __future__ import annotations

from django.contrib.auth import update_session_auth_hash
from django.db import transaction
from django.http import HttpRequest

from compliance.models import EventCategory, User
from compliance.services.events import record_event
from compliance.services.sessions import KEY, end_other_sessions


@transaction.atomic
def change_password(request: HttpRequest, *, user: User, password: str) -> None:
    """Set the password and keep this one session."""
    user.set_password(password)
    user.save(update_fields=["password"])
    update_session_auth_hash(request, user)
    end_other_sessions(user, keep=request.session.get(KEY), why="password changed")
    record_event(
        category=EventCategory.SECURITY,
        code="password_changed",
        message="The password was changed.",
        user=user,
    )
