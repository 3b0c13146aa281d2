"""The machines' door: signed HTTP requests of scanner gateways. Parses, proves, calls one service, answers JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from compliance.errors import DomainError
from compliance.models import EventCategory
from compliance.services.events import record_error
from compliance.views.marks import public
from devices.models import Gateway
from imaging.errors import RequestRefused, StudyMalformed, StudyTooLarge
from imaging.sealing.chunks import CHUNK_BYTES, TAG_BYTES
from imaging.sealing.manifest import MAX_MANIFEST_BYTES
from imaging.sealing.request import claimed_gateway, verify_request
from imaging.services import uploads

MAX_BODY_BYTES = CHUNK_BYTES + TAG_BYTES + MAX_MANIFEST_BYTES
P = ParamSpec("P")
QUIET_STATUSES = {409}  # the normal course of an upload that goes on, not a refusal worth an event


def gateways_only(*methods: str) -> Callable[..., Callable[..., HttpResponse]]:
    """Make a view that a gateway's signature opens: it receives the gateway and the body, and its errors become JSON
    and an event."""

    def decorate(
        view: Callable[Concatenate[HttpRequest, Gateway, bytes, P], JsonResponse],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
        @public
        @csrf_exempt
        @require_http_methods(list(methods))
        @wraps(view)
        def answer(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            gateway: Gateway | None = None
            try:
                body = _body(request)
                gateway = _prove(request, body)
                return view(request, gateway, body, *args, **kwargs)
            except DomainError as error:
                return _refusal(error, gateway)

        return answer

    return decorate


@gateways_only("POST")
def begin(request: HttpRequest, gateway: Gateway, body: bytes) -> JsonResponse:
    """Announce a study: `{"manifest": text, "signature": hex}`."""
    try:
        fields = json.loads(body)
        manifest, signature = fields["manifest"].encode(), bytes.fromhex(fields["signature"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StudyMalformed("The announcement is not readable.") from error
    return JsonResponse({"missing": uploads.begin(gateway=gateway, manifest=manifest, signature=signature)})


@gateways_only("GET")
def missing(request: HttpRequest, gateway: Gateway, body: bytes, study: UUID) -> JsonResponse:
    """List the missing pieces."""
    return JsonResponse({"missing": uploads.missing(gateway=gateway, study=study)})


@gateways_only("PUT")
def chunk(request: HttpRequest, gateway: Gateway, body: bytes, study: UUID, index: int) -> JsonResponse:
    """Take one piece."""
    uploads.put(gateway=gateway, study=study, index=index, piece=body)
    return JsonResponse({"kept": index})


@gateways_only("POST")
def complete(request: HttpRequest, gateway: Gateway, body: bytes, study: UUID) -> JsonResponse:
    """Turn a whole upload into a study."""
    uploads.complete(gateway=gateway, study=study)
    return JsonResponse({"study": str(study)})


def _body(request: HttpRequest) -> bytes:
    try:
        declared = int(request.headers.get("Content-Length") or 0)
    except ValueError as error:
        raise RequestRefused from error
    if declared > MAX_BODY_BYTES:
        raise StudyTooLarge(f"A request has at most {MAX_BODY_BYTES} bytes.")
    return request.body


def _prove(request: HttpRequest, body: bytes) -> Gateway:
    gateway = uploads.active_gateway(claimed_gateway(request.headers))
    verify_request(
        bytes(gateway.public_key), request.headers, request.method or "", request.get_full_path(), body, time.time()
    )
    return gateway


def _refusal(error: DomainError, gateway: Gateway | None) -> JsonResponse:
    if error.http_status not in QUIET_STATUSES:
        known = {"gateway_id": gateway.pk, "ward_id": gateway.ward_id} if gateway else {}
        record_error(error, category=EventCategory.SECURITY, **known)
    answer = {"error": error.code, "message": error.message, "permanent": error.permanent}
    return JsonResponse(answer, status=error.http_status)
