"""Where people are signed in: begin, keep alive, end here or from afar, and who stands behind a session now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from importlib import import_module
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from compliance.models import BrowserSession, EventCategory, User
from compliance.presence import Limits, Standing, device_words, standing
from compliance.services.events import record_event
from compliance.services.factors import must_enrol
from compliance.services.second_factor import FRESH_FOR, is_fresh, proved_at
from compliance.signals import access_narrowed

KEY = "browser_session"  # in the session's data, so that it outlives a new session key
TOUCH_EVERY = timedelta(seconds=15)  # a row per click would be a write per click
KEEP_ENDED = timedelta(days=30)


def begin_session(user: User, user_agent: str) -> BrowserSession:
    """Note a new sign-in, and forget this person's long ended ones."""
    now = timezone.now()
    BrowserSession.objects.filter(user=user, touched_at__lt=now - KEEP_ENDED).delete()
    return BrowserSession.objects.create(user=user, device=device_words(user_agent), began_at=now, touched_at=now)


def find_session(identifier: object, user: User) -> tuple[BrowserSession | None, Standing]:
    """Return the sign-in that a session names, and what it is good for now."""
    named = _uuid(identifier)
    found = BrowserSession.objects.filter(pk=named, user=user, ended_at=None).first() if named else None
    return found, Standing.OVER if found is None else _standing_of(found)


def live_sessions(user: User) -> list[BrowserSession]:
    """Return where this person is signed in now, the latest seen first."""
    rows = BrowserSession.objects.filter(user=user, ended_at=None)
    return [row for row in rows if _standing_of(row) is not Standing.OVER]


def touch_session(session: BrowserSession, *, sure: bool = False) -> None:
    """Note that the person acted; with `sure`, also after they were away, because they proved who they are."""
    now = timezone.now()
    if sure or (now - session.touched_at > TOUCH_EVERY and _standing_of(session) is Standing.HERE):
        BrowserSession.objects.filter(pk=session.pk).update(touched_at=now)


@transaction.atomic
def end_sessions(sessions: Iterable[BrowserSession], *, user: User, why: str) -> int:
    """End sign-ins; pages that are open under them close within a second. Returns how many there were."""
    ids = [session.pk for session in sessions]
    ended = BrowserSession.objects.filter(pk__in=ids, user=user, ended_at=None).update(ended_at=timezone.now())
    if ended:
        record_event(
            category=EventCategory.SECURITY,
            code="session_ended",
            message="Sign-ins were ended.",
            user=user,
            detail={"sessions": ended, "why": why},
        )
        access_narrowed.send(sender=BrowserSession, user_ids=[user.pk])
    return ended


def end_other_sessions(user: User, *, keep: object, why: str) -> int:
    """End every sign-in of this person but the one that is named."""
    rows = BrowserSession.objects.filter(user=user, ended_at=None)
    mine = _uuid(keep)
    return end_sessions(rows.exclude(pk=mine) if mine else rows, user=user, why=why)


class Holder(NamedTuple):
    """The person behind an open socket. fresh: whether they proved a second factor within the last minutes.

    until: when the sign-in, or that proof, counts for less than now.
    """

    user: User
    fresh: bool
    until: datetime


def holder_of(session_key: str, *, while_away: bool) -> Holder | None:
    """Return the person behind an open socket, or None when they may see nothing now.

    That is when they signed out or were signed out, the sign-in is over, the password has changed, a second factor is
    due, or they are away from a page that does not go on without them (`while_away`).
    """
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    if not isinstance(user, User):
        return None
    request.user = user
    row, stands = find_session(request.session.get(KEY), user)
    good = {Standing.HERE, Standing.AWAY} if while_away else {Standing.HERE}
    if row is None or stands not in good or must_enrol(user):
        return None
    now, bounds, proved = timezone.now(), limits(), proved_at(request)
    ends = [row.began_at + bounds.absolute, row.touched_at + bounds.idle]
    ends += [proved + FRESH_FOR] if proved is not None else []
    return Holder(user, is_fresh(request), min((end for end in ends if end > now), default=now + bounds.idle))


def limits() -> Limits:
    """Return the limits of this installation."""
    return Limits(settings.IDLE_FOR, settings.SIGNED_IN_FOR)


def _standing_of(session: BrowserSession) -> Standing:
    return standing(began=session.began_at, touched=session.touched_at, now=timezone.now(), limits=limits())


def _uuid(identifier: object) -> UUID | None:
    try:
        return UUID(str(identifier))
    except ValueError:
        return None
