"""From a request to an `Access`: a bearer token, or the session of a signed-in browser that only reads."""

from __future__ import annotations

import time
from collections.abc import Collection
from functools import partial
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from compliance.fhir.access import Access, own_record_of
from compliance.fhir.errors import Forbidden, TooManyRequests, Unauthenticated
from compliance.fhir.scopes import parse_scope
from compliance.models import ApiToken, EventCategory, Patient, User
from compliance.policy.asking import speak_for
from compliance.presence import Standing
from compliance.privacy.purposes import Purpose
from compliance.selectors.consents import refusing_patients
from compliance.services.events import record_event
from compliance.services.factors import must_enrol
from compliance.services.rates import Limit, address_of, spend
from compliance.services.sessions import KEY, find_session
from compliance.services.tokens import count_request, find_token, holds, is_proved

SAFE = {"GET", "HEAD", "OPTIONS"}
WRONG_TOKENS = Limit("wrong-tokens", 60)  # from one address; a token that holds is never held up by them
ASK = {"WWW-Authenticate": 'Bearer realm="Medtwin FHIR"'}


def base_of(request: HttpRequest) -> str:
    """Return this API's own address, without a slash at its end."""
    return request.build_absolute_uri("/fhir")


def authenticate(request: HttpRequest) -> Access:
    """Return who asks. Raises Unauthenticated, Forbidden, TooManyRequests."""
    header = request.headers.get("Authorization", "")
    if header:
        return _by_token(request, header)
    if not isinstance(request.user, User):
        raise Unauthenticated(headers=ASK)
    if request.method not in SAFE:
        # A cookie travels with forged forms too; without it writing through a browser needs no CSRF token here.
        raise Forbidden("A browser's session only reads here: writing and searching by POST need a bearer token.")
    if must_enrol(request.user):
        raise Forbidden("Set up a second factor first.")
    return Access(request.user, None, timezone.now(), base_of(request), own=own_record_of(request.user))


def _by_token(request: HttpRequest, header: str) -> Access:
    kind, _, secret = header.partition(" ")
    now = timezone.now()
    token = find_token(secret.strip(), now) if kind.lower() == "bearer" else None
    if token is None:
        wait_s = spend(WRONG_TOKENS, address_of(request), time.time())
        if wait_s:
            raise TooManyRequests(
                "Too many tokens from this address did not hold.", headers={"Retry-After": str(wait_s)}
            )
        record_event(
            category=EventCategory.SECURITY,
            code=Unauthenticated.code,
            message="A bearer token was refused.",
            fold=True,
        )
        raise Unauthenticated(headers={"WWW-Authenticate": ASK["WWW-Authenticate"] + ', error="invalid_token"'})
    wait_s = count_request(token, now)
    if wait_s:
        raise TooManyRequests(headers={"Retry-After": str(wait_s)})
    # The session that may have come along is another person's, or another proof: none of it counts here.
    speak_for(partial(is_proved, token, now))
    return Access(
        user=token.user,
        scopes=tuple(parse_scope(word) for word in token.scopes.split()),
        now=now,
        base=base_of(request),
        token_id=token.pk,
        patient_id=token.patient_id,
        withheld=withheld_from(token),
        own=own_record_of(token.user),
        outside=carries_outside(token),
    )


def charge(access: Access, requests: int) -> None:
    """Count further requests that came within one, such as the entries of a Bundle. Raises TooManyRequests."""
    if access.token_id is None or requests <= 0:
        return
    wait_s = count_request(ApiToken.objects.get(pk=access.token_id), access.now, requests)
    if wait_s:
        raise TooManyRequests(headers={"Retry-After": str(wait_s)})


def still_authenticated(request: HttpRequest, access: Access) -> bool:
    """Tell whether the token, or the sign-in, that a long answer was begun with still holds."""
    now = timezone.now()
    if access.token_id is not None:
        token = ApiToken.objects.select_related("user", "client").filter(pk=access.token_id).first()
        return token is not None and holds(token, now)
    session, standing = find_session(request.session.get(KEY), access.user)
    active = User.objects.filter(pk=access.user.pk, is_active=True).exists()
    return active and session is not None and standing is not Standing.OVER


def withheld_from(token: ApiToken | None) -> Collection[UUID] | QuerySet[Patient, UUID]:
    """Return the patients whose consent keeps them from a client that carries data out of the house."""
    return refusing_patients(Purpose.SHARE_EXTERNAL) if carries_outside(token) else ()


def carries_outside(token: ApiToken | None) -> bool:
    """Tell whether a token's client carries data out of the house."""
    return token is not None and token.client is not None and token.client.shares_outside
