"""The doors of the FHIR API: authenticate, call one interaction, answer in FHIR's JSON, whatever happens."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from compliance.errors import DomainError, NotFound, NotPermitted
from compliance.fhir import interactions
from compliance.fhir.access import Access
from compliance.fhir.answering import FHIR_JSON, refusal, respond
from compliance.fhir.authentication import authenticate, base_of
from compliance.fhir.body import raw_body, read_json
from compliance.fhir.capability import capability_statement
from compliance.fhir.errors import (
    Broken,
    FhirError,
    Forbidden,
    MediaTypeWrong,
    MethodWrong,
    NotAcceptable,
    RequestWrong,
    ResourceNotFound,
    ResourceWrong,
)
from compliance.fhir.histories import history as versions_of
from compliance.fhir.histories import history_of_type
from compliance.fhir.interactions import Answer
from compliance.fhir.openapi import openapi_description
from compliance.fhir.registry import type_named
from compliance.fhir.searching import search
from compliance.fhir.transactions import process
from compliance.views.marks import open_door

log = logging.getLogger(__name__)
SPOKEN = {FHIR_JSON, "application/json", "*/*", "application/*"}
FORMATS = {"json", "application/json", FHIR_JSON}
FORM = "application/x-www-form-urlencoded"
Door = Callable[..., Answer | HttpResponseBase]


def door(*methods: str, accept: str = "") -> Callable[[Door], Callable[..., HttpResponseBase]]:
    """Make a view of a function that returns an Answer or raises: every refusal becomes an OperationOutcome.

    accept: a media type that this view speaks besides FHIR's JSON.
    """

    def made(view: Door) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def answer(request: HttpRequest, **named: str) -> HttpResponseBase:
            try:
                _negotiate(request, accept)
                if request.method == "OPTIONS":
                    return HttpResponse(status=204, headers={"Allow": _allowed(methods)})
                if request.method not in methods and not (request.method == "HEAD" and "GET" in methods):
                    raise MethodWrong(headers={"Allow": _allowed(methods)})
                found = view(request, **named)
                return respond(found) if isinstance(found, Answer) else found
            except Exception as error:
                return refusal(_as_fhir(error))

        answer.methods = methods  # type: ignore[attr-defined]  # what the description of the API is compared with
        return open_door(csrf_exempt(answer))

    return made


def _allowed(methods: tuple[str, ...]) -> str:
    return ", ".join([*methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"])


def _as_fhir(error: Exception) -> FhirError:
    """Return the refusal that an error means to a client; what nobody foresaw is logged and told nothing about."""
    if isinstance(error, FhirError):
        return error
    if isinstance(error, NotFound):
        return ResourceNotFound()
    if isinstance(error, NotPermitted):
        return Forbidden()
    if isinstance(error, DomainError) and error.http_status < 500:
        made = ResourceWrong(error.message)
        made.http_status = error.http_status if error.http_status in {409, 410, 413, 422} else 422
        return made
    log.error("the FHIR API failed", exc_info=error)
    return Broken()


def _negotiate(request: HttpRequest, also: str) -> None:
    """Raise NotAcceptable unless the client takes JSON of a version that we speak."""
    wanted = request.GET.get("_format")
    if wanted is not None:
        if wanted.replace(" ", "+") not in FORMATS:
            raise NotAcceptable
        return
    accept = request.headers.get("Accept", "*/*") or "*/*"
    ranges = [_media_range(part) for part in accept.split(",")]
    if not any((name in SPOKEN or name == also != "") and version in {"", "4.0", "4.3"} for name, version in ranges):
        raise NotAcceptable


def _media_range(part: str) -> tuple[str, str]:
    """Return the media type of one part of Accept and the fhirVersion that it asks for; q=0 takes nothing."""
    name, *parameters = [piece.strip() for piece in part.lower().split(";")]
    values = dict(parameter.split("=", 1) for parameter in parameters if "=" in parameter)
    if values.get("q", "1").rstrip("0") in {"0.", ""}:
        return "", ""
    return name, values.get("fhirversion", "").strip('"')


def pairs_of(query: QueryDict) -> tuple[tuple[str, str], ...]:
    """Return a query's names and values, repeated names included."""
    return tuple((name, value) for name, values in query.lists() for value in values)


def _strict(request: HttpRequest) -> bool:
    """Tell how to take unknown parameters: refused, unless the client prefers otherwise. A filter that were quietly
    left out would answer with other people's data."""
    preferred = request.headers.get("Prefer", "").replace(" ", "").lower()
    return "handling=lenient" not in preferred.replace(";", ",").split(",")


@door("GET")
def metadata(request: HttpRequest) -> Answer:
    """Say what this server can do."""
    return Answer(200, capability_statement(base_of(request)))


@door("GET")
def openapi(request: HttpRequest) -> Answer:
    """Say the same to tools that read OpenAPI."""
    return Answer(200, openapi_description(base_of(request)))


@door("POST")
def root(request: HttpRequest) -> Answer:
    """Take a batch or transaction."""
    access = authenticate(request)
    return Answer(200, process(access, read_json(request), strict=_strict(request)))


@door("GET", "POST")
def resource_type(request: HttpRequest, type_name: str) -> Answer:
    """Search (GET) or create (POST)."""
    access = authenticate(request)
    kind = type_named(type_name)
    if request.method == "POST":
        return interactions.create(access, kind, read_json(request), request.headers.get("If-None-Exist", ""))
    return Answer(200, search(access, kind, pairs_of(request.GET), strict=_strict(request), by_url=True))


@door("POST")
def search_by_post(request: HttpRequest, type_name: str) -> Answer:
    """Search with parameters in the body, where no proxy writes them down."""
    access = authenticate(request)
    kind = type_named(type_name)
    body = raw_body(request)
    if body and (request.content_type or "").lower() != FORM:
        raise MediaTypeWrong(f"A search by POST is {FORM}.")
    pairs = pairs_of(_form(body)) + pairs_of(request.GET)
    return Answer(200, search(access, kind, pairs, strict=_strict(request), by_url=False))


def _form(body: bytes) -> QueryDict:
    try:
        body.decode("utf-8")
        return QueryDict(body, encoding="utf-8")
    except (ValueError, DatabaseError) as error:
        raise RequestWrong("The form cannot be read.") from error


@door("GET", "PUT", "DELETE")
def instance(request: HttpRequest, type_name: str, fhir_id: str) -> Answer:
    """Read, update or delete one resource."""
    access: Access = authenticate(request)
    kind = type_named(type_name)
    if request.method == "PUT":
        body: dict[str, Any] = read_json(request)
        return interactions.update(access, kind, fhir_id, body, request.headers.get("If-Match", ""))
    if request.method == "DELETE":
        return interactions.delete(access, kind, fhir_id, request.headers.get("If-Match", ""))
    return interactions.read(access, kind, fhir_id, request.headers.get("If-None-Match", ""))


@door("GET")
def history(request: HttpRequest, type_name: str, fhir_id: str) -> Answer:
    """Return every version of one resource."""
    access = authenticate(request)
    return versions_of(access, type_named(type_name), fhir_id, pairs_of(request.GET), strict=_strict(request))


@door("GET")
def type_history(request: HttpRequest, type_name: str) -> Answer:
    """Return the versions of every resource of a type."""
    access = authenticate(request)
    return history_of_type(access, type_named(type_name), pairs_of(request.GET), strict=_strict(request))


@door("GET")
def version(request: HttpRequest, type_name: str, fhir_id: str, version_id: str) -> Answer:
    """Read one version of one resource."""
    return interactions.vread(authenticate(request), type_named(type_name), fhir_id, version_id)


@door("GET", "POST", "PUT", "DELETE", "PATCH")
def nothing(request: HttpRequest, rest: str) -> Answer:
    """Answer every other path below /fhir/."""
    authenticate(request)
    raise ResourceNotFound
