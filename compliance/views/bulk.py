"""The doors of bulk data: kick-off, status, download and removal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.http import http_date

from compliance.fhir.authentication import authenticate, still_authenticated
from compliance.fhir.bulk.download import mine, open_file
from compliance.fhir.bulk.kickoff import kick_off, require_right
from compliance.fhir.errors import Broken, Forbidden, RequestWrong, ResourceNotFound
from compliance.fhir.interactions import Answer
from compliance.fhir.parameters import as_utc
from compliance.models import BulkExport, ExportFile, ExportLevel, ExportState
from compliance.services.exports import record_export, remove_export
from compliance.services.second_factor import is_fresh
from compliance.views.fhir import door, pairs_of

NDJSON = "application/fhir+ndjson"
ASK_AGAIN_S = 5


@door("GET")
def export_system(request: HttpRequest) -> Answer:
    """Ask for everything in reach."""
    return _begin(request, ExportLevel.SYSTEM, None)


@door("GET")
def export_patients(request: HttpRequest) -> Answer:
    """Ask for what belongs to patients."""
    return _begin(request, ExportLevel.PATIENT, None)


@door("GET")
def export_group(request: HttpRequest, group_id: str) -> Answer:
    """Ask for what belongs to the patients of one ward: wards are the groups here."""
    if not (group_id.isascii() and group_id.isdigit() and len(group_id) < 18):
        raise ResourceNotFound
    return _begin(request, ExportLevel.GROUP, int(group_id))


@door("GET", "DELETE")
def export_status(request: HttpRequest, export_id: UUID) -> Answer:
    """Say how far an export is, hand out its manifest, or cancel and remove it."""
    access = authenticate(request)
    export = mine(access, export_id)
    if request.method == "DELETE":
        remove_export(export)
        return Answer(202, None)
    if export.state == ExportState.FAILED:
        raise Broken(export.error)
    if export.state != ExportState.DONE:
        words = export.progress or export.get_state_display()
        return Answer(202, None, {"X-Progress": words, "Retry-After": str(ASK_AGAIN_S)})
    return Answer(
        200,
        _manifest(export),
        {"Expires": http_date(export.expires_at.timestamp()), "Content-Type": "application/json"},
    )


@door("GET", accept=NDJSON)
def export_file(request: HttpRequest, export_id: UUID, file_id: UUID) -> HttpResponse | StreamingHttpResponse:
    """Hand out one file as a stream."""
    access = authenticate(request)
    export = mine(access, export_id)
    file = ExportFile.objects.select_related("export").filter(pk=file_id, export=export).first()
    if file is None:
        raise ResourceNotFound
    blocks = open_file(access, file, partial(still_authenticated, request, access))
    record_export(export, "export_downloaded", "A file of a bulk export was fetched.", type=file.type)
    if request.method == "HEAD":
        return HttpResponse(content_type=NDJSON)
    return StreamingHttpResponse(_streamed(blocks), content_type=NDJSON)


async def _streamed(blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Read the next block only when the last one is on its way: memory holds one, however slow the client is."""
    while (block := await sync_to_async(_next_block)(blocks)) is not None:
        yield block


def _next_block(blocks: Iterator[bytes]) -> bytes | None:
    return next(blocks, None)


def _begin(request: HttpRequest, level: ExportLevel, ward_id: int | None) -> Answer:
    access = authenticate(request)
    require_right(access, level, ward_id)
    preferred = request.headers.get("Prefer", "").replace(" ", "").lower()
    if "respond-async" not in preferred.replace(";", ",").split(","):
        raise RequestWrong("An export takes a while: send 'Prefer: respond-async' and ask for its status.")
    if access.scopes is None and not is_fresh(request):  # whatever the policy says: data leave through a browser
        raise Forbidden("An export needs a second factor from the last five minutes: confirm it in the browser.")
    asked = request.build_absolute_uri()
    export = kick_off(access, level, pairs_of(request.GET), request=asked, ward_id=ward_id)
    return Answer(202, None, {"Content-Location": _address(export)})


def _address(export: BulkExport) -> str:
    return f"{export.base}/$export-status/{export.pk}"


def _manifest(export: BulkExport) -> dict[str, object]:
    return {
        "transactionTime": as_utc(export.started_at),
        "request": export.request,
        "requiresAccessToken": True,
        "output": [
            {"type": file.type, "url": f"{_address(export)}/{file.pk}.ndjson", "count": file.lines}
            for file in export.files.all()
        ],
        "error": [],
    }
