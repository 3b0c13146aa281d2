"""Blank the account of a person who is erased. The row stays, for events and answers that name it by its number."""

from __future__ import annotations

import uuid
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.models import Session

from compliance.models import ApiToken, BrowserSession, CareRelationship, RecoveryCode, Shift, User
from compliance.services.guessing import SUFFIX
from compliance.services.sessions import end_sessions, live_sessions

BLANK = "erased-"


def blank_account(patient_id: UUID, _limit: int) -> int:
    """End every sign-in of the person and empty the account; 0 when there is none, or it is empty."""
    user = User.objects.select_for_update().filter(own_patient=patient_id).exclude(username__startswith=BLANK).first()
    if user is None:
        return 0
    end_sessions(live_sessions(user), user=user, why="erased")
    for model in (
        ApiToken,
        BrowserSession,
        CareRelationship,
        RecoveryCode,
        Shift,
        EmailAddress,
        Authenticator,
    ):
        model.objects.filter(user=user).delete()
    for tried in (AccessAttempt, AccessFailureLog, AccessLog):
        tried.objects.filter(username__in=[user.username, user.username + SUFFIX]).delete()
    _end_browser_sessions(user)
    user.username, user.password = f"{BLANK}{uuid.uuid4().hex[:20]}", make_password(None)
    user.first_name = user.last_name = user.email = ""
    user.is_active, user.last_login = False, None
    user.save()
    return 1


def _end_browser_sessions(user: User) -> None:
    """Delete what the browser's cookies lead to. The sessions tell nobody's number without being opened one by one."""
    for session in Session.objects.iterator():
        if str(session.get_decoded().get("_auth_user_id")) == str(user.pk):
            session.delete()
