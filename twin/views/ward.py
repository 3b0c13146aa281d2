"""The ward board and its parts."""

from __future__ import annotations

import time
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from compliance.views.access import patient_or_404, require
from twin.selectors.board import rows_for, strip_of
from twin.selectors.vitals import sparks_of

VIEW = "compliance.view_patient"
FEW = 3  # people whom nobody has to search for


def _board(request: HttpRequest) -> dict[str, object]:
    user = require(request, VIEW)
    rows = rows_for(user)
    few = 0 < len(rows) <= FEW and all(row.near for row in rows)
    cursors = {device: seq for row in rows for device, seq in row.cursors.items()}
    mine = any(row.mine for row in rows)
    return {"rows": rows, "strip": strip_of(user, rows), "cursors": cursors, "mine": mine, "near": few}


@require_GET
def board(request: HttpRequest) -> HttpResponse:
    """Show every patient the reader may see, most urgent first."""
    return render(request, "twin/ward.html", _board(request))


@require_GET
def board_rows(request: HttpRequest) -> HttpResponse:
    """Answer strip and rows alone, for a page that comes back after a lost connection."""
    return render(request, "twin/_board.html", _board(request))


@require_GET
def board_strip(request: HttpRequest) -> HttpResponse:
    """Answer the strip above the rows."""
    return render(request, "twin/_strip.html", {"strip": _board(request)["strip"]})


@require_GET
def board_row(request: HttpRequest, patient_id: UUID) -> HttpResponse:
    """Answer one patient's row."""
    patient = patient_or_404(request, patient_id)
    return render(request, "twin/_row.html", {"row": rows_for(require(request, VIEW), patient.pk)[0]})


@require_GET
def board_sparks(request: HttpRequest) -> JsonResponse:
    """Answer the last three hours of every tile: {patient: {metric: [[t, value], ...]}}.

    Asked for after the first paint, since it reads more than all the rest of the page.
    """
    rows, now = rows_for(require(request, VIEW)), time.time()
    return JsonResponse({str(row.patient.pk): sparks_of(row.tiles, now) for row in rows})
