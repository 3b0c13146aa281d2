"""Copies of a record: the patient's own page, the same for staff on a patient's behalf, and taking one away.

A copy is fetched by POST from the page of the one who asked for it: the form carries the session's token, so that there
is no address to guess, to share or to find in a history.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from uuid import UUID
from zoneinfo import ZoneInfo

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from compliance.errors import DomainError, NotFound
from compliance.fhir.authentication import base_of
from compliance.models import BulkExport, ExportLevel, ExportState, Patient
from compliance.services.accesses import record_access
from compliance.services.copies import FOR_OTHERS, KEEP, MOST_KEPT, copies_of, may_copy, start_copy, take_copy
from compliance.services.exports import remove_export
from compliance.views.access import patient_or_404, signed_in, visible_or_404
from compliance.views.own_record import own_patient_or_404
from compliance.views.step_up import require_fresh

UNFINISHED = {ExportState.QUEUED, ExportState.RUNNING}


@require_http_methods(["GET", "POST"])
def own_copies(request: HttpRequest) -> HttpResponse:
    """Show the copies that the patient asked for (GET; htmx asks for the list alone) and begin one (POST)."""
    return _page(request, own_patient_or_404(request), "compliance/own_copies.html")


@require_http_methods(["GET", "POST"])
def copies_for(request: HttpRequest, patient_id: UUID) -> HttpResponse:
    """Do the same on behalf of a patient, for those who answer for privacy."""
    return _page(request, patient_or_404(request, patient_id, FOR_OTHERS), "compliance/copies.html")


@require_POST
def take(request: HttpRequest, export_id: UUID) -> HttpResponse | StreamingHttpResponse:
    """Hand a copy out as a stream to the one who asked for it."""
    user, export = signed_in(request), _mine(request, export_id)
    require_fresh(request)
    try:
        pieces = take_copy(export=export, user=user, now=timezone.now())
    except NotFound:
        raise
    except DomainError as error:
        messages.error(request, error.message)
        return _back(export)
    name = f"record-{export.started_at:%Y-%m-%d}.zip"
    response = StreamingHttpResponse(_streamed(pieces), content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


@require_POST
def remove(request: HttpRequest, export_id: UUID) -> HttpResponse:
    """Cancel a copy, or delete one that is ready."""
    export = _mine(request, export_id)
    place = _back(export)
    remove_export(export)
    messages.success(request, "The copy is removed.")
    return place


def _page(request: HttpRequest, patient: Patient, template: str) -> HttpResponse:
    user = signed_in(request)
    problem = ""
    if request.method == "POST":
        require_fresh(request)
        try:
            start_copy(user=user, patient=patient, base=base_of(request), now=timezone.now())
        except DomainError as error:
            problem = error.message
        else:
            messages.success(request, "The copy is being made. You can close this page and come back.")
            return HttpResponseRedirect(request.path)
    record_access(user=user, patient=patient, what="record_export", refreshing=True)
    found = list(copies_of(user, patient))
    context = {
        "patient": patient,
        "copies": found,
        "working": any(copy.state in UNFINISHED for copy in found),
        "full": len(found) >= MOST_KEPT,
        "days": KEEP.days,
        "problem": problem,
    }
    partial = request.headers.get("HX-Target") == "copies"
    with timezone.override(ZoneInfo(patient.time_zone)):
        return render(
            request, "compliance/_copies.html" if partial else template, context, status=400 if problem else 200
        )


def _mine(request: HttpRequest, export_id: UUID) -> BulkExport:
    user = signed_in(request)
    joined = BulkExport.objects.select_related("patient", "user")
    found = visible_or_404(joined.filter(user=user, level=ExportLevel.RECORD), pk=export_id)
    if found.patient is None or not may_copy(user, found.patient):
        raise NotFound
    return found


def _back(export: BulkExport) -> HttpResponse:
    if export.patient_id == export.user.own_patient_id:
        return HttpResponseRedirect(reverse("compliance:own_copies"))
    return HttpResponseRedirect(reverse("compliance:copies_for", args=[export.patient_id]))


async def _streamed(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Read the next piece only when the last one is on its way."""
    while (piece := await sync_to_async(_next_piece)(pieces)) is not None:
        yield piece


def _next_piece(pieces: Iterator[bytes]) -> bytes | None:
    return next(pieces, None)
