"""Tokens for backend services (client_credentials with a signed assertion), and where to ask for them."""

from __future__ import annotations

import time

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from compliance.fhir.answering import refusal
from compliance.fhir.authentication import authenticate, base_of
from compliance.fhir.body import raw_body
from compliance.fhir.errors import BodyTooLarge, MediaTypeWrong, RequestWrong, TooManyRequests
from compliance.fhir.registry import registered
from compliance.fhir.scopes import ScopeWrong, granted, parse_scopes
from compliance.models import EventCategory, FhirClient
from compliance.services.events import record_event
from compliance.services.fhir_clients import ALGORITHMS, AssertionRefused, client_of
from compliance.services.rates import Limit, address_of, spend
from compliance.services.tokens import CLIENT_TOKEN_LASTS, find_token, issue_for_client, revoke_token
from compliance.views.fhir import door
from compliance.views.marks import public

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST = 16_384
TOKEN_REQUESTS = Limit("token-requests", 120)  # from one address: each costs checking a signature


class OAuthRefused(Exception):
    """An answer in OAuth's own words (RFC 6749, section 5.2)."""

    def __init__(self, code: str, words: str, status: int = 400) -> None:
        super().__init__(words)
        self.code, self.status = code, status


@csrf_exempt
@public
@require_GET
def smart_configuration(request: HttpRequest) -> HttpResponse:
    """Describe how tokens are had."""
    base = base_of(request)
    return JsonResponse(
        {
            "issuer": base,
            "token_endpoint": f"{base}/token",
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": sorted(ALGORITHMS.values()),
            "introspection_endpoint": f"{base}/introspect",
            "revocation_endpoint": f"{base}/revoke",
            "grant_types_supported": ["client_credentials"],
            "scopes_supported": ["system/*.cruds", *(f"system/{name}.cruds" for name in registered())],
            "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
        }
    )


@csrf_exempt
@public
@require_POST
def token(request: HttpRequest) -> HttpResponse:
    """Give a token for a signed assertion. Asked too often from one address, it answers as the rest of the API does."""
    wait_s = spend(TOKEN_REQUESTS, address_of(request), time.time())
    if wait_s:
        return refusal(TooManyRequests("Too many tokens are asked for.", headers={"Retry-After": str(wait_s)}))
    try:
        return JsonResponse(_exchange(request))
    except OAuthRefused as error:
        return JsonResponse({"error": error.code, "error_description": str(error)}, status=error.status)


@door("POST")
def introspect(request: HttpRequest) -> HttpResponse:
    """Say what one of the asker's own tokens may do (RFC 7662); of any other, that it is not active."""
    access = authenticate(request)
    wait_s = spend(TOKEN_REQUESTS, address_of(request), time.time())
    if wait_s:
        raise TooManyRequests(headers={"Retry-After": str(wait_s)})
    if not _is_small_form(request):
        raise MediaTypeWrong("A small form with the token is expected.")
    found = find_token(request.POST.get("token", ""), access.now)
    if found is None or found.user_id != access.user.pk:
        return JsonResponse({"active": False})
    described: dict[str, object] = {
        "active": True,
        "scope": found.scopes,
        "exp": int(found.expires_at.timestamp()),
        "iat": int(found.created_at.timestamp()),
        "iss": base_of(request),
        "aud": base_of(request),
        "token_type": "bearer",
    }
    if found.client_id is not None:
        described["client_id"] = str(found.client_id)
    if found.patient_id is not None:
        described["patient"] = str(found.patient_id)
    return JsonResponse(described)


@csrf_exempt
@public
@require_POST
def revoke(request: HttpRequest) -> HttpResponse:
    """End the token that is sent (RFC 7009): whoever holds it may. An unknown one gets the same answer."""
    now = timezone.now()
    wait_s = spend(TOKEN_REQUESTS, address_of(request), time.time())
    if wait_s:
        return refusal(TooManyRequests("Too many tokens are ended.", headers={"Retry-After": str(wait_s)}))
    if not _is_small_form(request):
        return refusal(RequestWrong("A small form with the token is expected."))
    found = find_token(request.POST.get("token", ""), now)
    if found is not None:
        revoke_token(token=found, user=found.user, now=now)
    return HttpResponse(status=200)


def _exchange(request: HttpRequest) -> dict[str, object]:
    if not _is_small_form(request):
        raise OAuthRefused("invalid_request", "A small form is expected.")
    form = request.POST
    if form.get("grant_type") != "client_credentials":
        raise OAuthRefused("unsupported_grant_type", "The grant type is client_credentials.")
    if form.get("client_assertion_type") != ASSERTION:
        raise OAuthRefused("invalid_request", f"The client_assertion_type is {ASSERTION}.")
    client = _client(request, form.get("client_assertion", ""))
    scopes = _scopes(client, form.get("scope", ""))
    issued = issue_for_client(client=client, scopes=scopes, now=timezone.now())
    return {
        "access_token": issued.secret,
        "token_type": "bearer",
        "expires_in": int(CLIENT_TOKEN_LASTS.total_seconds()),
        "scope": scopes,
    }


def _is_small_form(request: HttpRequest) -> bool:
    try:
        small = len(raw_body(request)) <= LONGEST
    except BodyTooLarge:
        return False
    return small and (request.content_type or "").lower() == "application/x-www-form-urlencoded"


def _client(request: HttpRequest, assertion: str) -> FhirClient:
    try:
        return client_of(assertion, audience=f"{base_of(request)}/token", now=timezone.now())
    except AssertionRefused as error:
        record_event(
            category=EventCategory.SECURITY, code=error.code, message="A client assertion was refused.", fold=True
        )
        raise OAuthRefused("invalid_client", "The client assertion does not hold.", 401) from error


def _scopes(client: FhirClient, asked: str) -> str:
    """Return those of the asked scopes that the client was registered for."""
    known = set(registered())
    try:
        given = granted(parse_scopes(asked, known), parse_scopes(client.scopes, known))
    except ScopeWrong as error:
        raise OAuthRefused("invalid_scope", error.message) from error
    if not given:
        raise OAuthRefused("invalid_scope", "The client was registered for none of these scopes.")
    return " ".join(map(str, given))
