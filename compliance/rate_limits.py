"""Too fast is refused: signed-in people by account, strangers by address. So is an address that no database can hold.

What a ward's open pages read by themselves is not counted, nor are sockets: a limit must never darken the board. FHIR
clients are counted by token, wrong tokens by address (compliance/fhir/authentication.py), gateways by their credit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from django.http import HttpRequest, HttpResponse

from compliance.errors import AddressMalformed, DomainError, TooFast
from compliance.fhir.answering import refusal
from compliance.fhir.errors import TooManyRequests
from compliance.middleware import answer_to
from compliance.models import EventCategory, User
from compliance.services.events import record_error
from compliance.services.rates import Limit, address_of, spend, spent
from compliance.views.marks import is_open_door, is_public, limit_of

SAFE = {"GET", "HEAD", "OPTIONS"}
WRITES = Limit("writes", 240)  # four a second: nobody types that, and a script that does is not a nurse
SIGN_INS = Limit("sign-ins", 60)  # from one address, whatever the names: one password tried on many accounts
STRANGERS = Limit("strangers", 300)  # refusals from one address, after which nothing of it is looked at
SEARCHES = Limit("searches", 600)  # through the FHIR API with a browser's session
FHIR = "/fhir/"
REFUSALS = {400, 401, 403, 404, 405, 413}
Respond = Callable[[HttpRequest], HttpResponse]


class RateLimits:
    """Refuses who is too fast with 429 and Retry-After, and notes it."""

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on; a refused stranger counts."""
        response = self.get_response(request)
        if not isinstance(request.user, User) and response.status_code in REFUSALS and not _has_token(request):
            spend(STRANGERS, address_of(request), time.time())
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], _args: object, _kwargs: object
    ) -> HttpResponse | None:
        """Stop whoever is over a limit before the view does anything."""
        # PostgreSQL fails on it wherever it arrives; the FHIR API refuses it in its own words.
        if not is_open_door(view) and "\0" in unquote(request.META.get("QUERY_STRING", "")):
            return answer_to(request, AddressMalformed())
        now = time.time()
        for limit, who in _limits_on(request, view):
            wait_s = spent(limit, who, now) if limit is STRANGERS else spend(limit, who, now)
            if wait_s:
                return _refusal(request, limit, wait_s)
        return None


def _limits_on(request: HttpRequest, view: Callable[..., Any]) -> list[tuple[Limit, str]]:
    if not isinstance(request.user, User):
        strangers = [] if _has_token(request) else [(STRANGERS, address_of(request))]
        signs_in = is_public(view) and not getattr(view, "csrf_exempt", False) and request.method not in SAFE
        return strangers + ([(SIGN_INS, address_of(request))] if signs_in else [])
    who = f"user-{request.user.pk}"
    if is_open_door(view):
        return [] if _has_token(request) else [(SEARCHES, who)]
    own = limit_of(view)
    if own is not None:
        return [(own, who)]
    return [] if request.method in SAFE else [(WRITES, who)]


def _has_token(request: HttpRequest) -> bool:
    """Tell whether a request brings a bearer token to the FHIR API, which counts by token and notes false ones."""
    return request.path.startswith(FHIR) and "Authorization" in request.headers


def _refusal(request: HttpRequest, limit: Limit, wait_s: int) -> HttpResponse:
    error: DomainError = TooFast(f"That was too often. Wait {wait_s} seconds and try again.", limit=limit.name)
    user = request.user if isinstance(request.user, User) else None
    record_error(error, category=EventCategory.SECURITY, user=user, detail={"limit": limit.name})
    if request.path.startswith(FHIR):
        return refusal(TooManyRequests(error.message, headers={"Retry-After": str(wait_s)}))
    response = answer_to(request, error)
    response.headers["Retry-After"] = str(wait_s)
    return response
