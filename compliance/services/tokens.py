"""Make, count and revoke bearer tokens of the FHIR API."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import F

from compliance.errors import DomainError
from compliance.models import ApiToken, EventCategory, FhirClient, Patient, User
from compliance.services.events import record_event
from compliance.services.second_factor import FRESH_FOR

PERSONAL, CLIENT = "mtp_", "mtc_"  # so that a leaked token is known for what it is
CLIENT_TOKEN_LASTS = timedelta(minutes=5)
LONGEST = timedelta(days=365)
PER_MINUTE = 600
MOST_PER_PERSON = 20


class TokenRefused(DomainError):
    """This token cannot be made."""

    code = "token_refused"


class Issued(NamedTuple):
    """A fresh token and its secret, which is shown once and kept nowhere."""

    token: ApiToken
    secret: str


def digest_of(secret: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


@transaction.atomic
def issue_personal(
    *,
    user: User,
    label: str,
    scopes: str,
    lasts: timedelta,
    now: datetime,
    patient: Patient | None = None,
    proved_at: datetime | None = None,
) -> Issued:
    """Make a token that acts as a person. Raises TokenRefused when it would last too long or there are too many.

    proved_at: when the person proved a second factor; until that is stale, it counts for the token as well.
    """
    if not timedelta(0) < lasts <= LONGEST:
        raise TokenRefused(f"A token lasts at most {LONGEST.days} days.")
    if not label.strip():
        raise TokenRefused("A token needs a name by which you will know it again.")
    if ApiToken.objects.filter(user=user, client=None, revoked_at=None, expires_at__gt=now).count() >= MOST_PER_PERSON:
        raise TokenRefused(f"There are {MOST_PER_PERSON} tokens already: revoke one first.")
    what = {"label": label, "scopes": scopes, "patient": patient, "proved_at": proved_at}
    issued = _issue(PERSONAL, user=user, now=now, lasts=lasts, **what)
    record_event(
        category=EventCategory.SECURITY,
        code="token_issued",
        message="A personal access token was made.",
        user=user,
        detail={"token": issued.token.pk, "scopes": scopes},
    )
    return issued


def issue_for_client(*, client: FhirClient, scopes: str, now: datetime) -> Issued:
    """Make a short-lived token that acts as a client's service account.

    The client has just signed for it with its private key: a machine has no better proof, and it counts as fresh.
    """
    what = {"user": client.account, "client": client, "scopes": scopes, "proved_at": now}
    issued = _issue(CLIENT, now=now, lasts=CLIENT_TOKEN_LASTS, **what)
    record_event(
        category=EventCategory.SECURITY,
        code="client_token_issued",
        message="A backend service got a token.",
        user=client.account,
        detail={"client": str(client.pk)},
        fold=True,
    )
    return issued


def _issue(prefix: str, *, now: datetime, lasts: timedelta, **values: object) -> Issued:
    secret = prefix + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(digest=digest_of(secret), created_at=now, expires_at=now + lasts, **values)
    return Issued(token, secret)


def find_token(secret: str, now: datetime) -> ApiToken | None:
    """Return the token if it holds now: known, neither expired nor revoked, its person active, its client not gone."""
    if not secret.startswith((PERSONAL, CLIENT)) or len(secret) > 100:
        return None
    token = ApiToken.objects.select_related("user", "client").filter(digest=digest_of(secret)).first()
    return token if token is not None and holds(token, now) else None


def holds(token: ApiToken, now: datetime) -> bool:
    """Tell whether a token is neither expired nor revoked, its person active and its client not gone."""
    if token.revoked_at is not None or token.expires_at <= now or not token.user.is_active:
        return False
    return token.client is None or token.client.revoked_at is None


def is_proved(token: ApiToken, now: datetime) -> bool:
    """Tell whether the proof that the token carries is fresh. The browser that sends it along proves nothing for it."""
    return token.proved_at is not None and timedelta(0) <= now - token.proved_at < FRESH_FOR


def count_request(token: ApiToken, now: datetime, times: int = 1) -> int:
    """Count a request, or `times` of them; return 0 when that is within the limit, or the seconds to wait.

    Each branch is one update whose condition the database decides, so that requests at once are all counted.
    """
    minute = int(now.timestamp()) // 60
    mine = ApiToken.objects.filter(pk=token.pk)
    if mine.filter(window=minute, requests__lte=PER_MINUTE - times).update(
        requests=F("requests") + times, last_used_at=now
    ):
        return 0
    if mine.exclude(window=minute).update(window=minute, requests=times, last_used_at=now):
        return 0
    return 60 - int(now.timestamp()) % 60


@transaction.atomic
def revoke_token(*, token: ApiToken, user: User, now: datetime) -> None:
    """Make a token worthless from this moment."""
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now):
        record_event(
            category=EventCategory.SECURITY,
            code="token_revoked",
            message="An access token was revoked.",
            user=user,
            detail={"token": token.pk},
        )
