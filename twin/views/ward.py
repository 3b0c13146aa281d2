"""The ward board and its parts. All of it may be read while nobody is near: a dark board hides an alarm."""

from __future__ import annotations

import time
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from compliance.errors import NotFound
from compliance.services.accesses import record_list_access
from compliance.views.access import patient_or_404, require
from compliance.views.marks import open_while_away
from twin.selectors.board import WHOLE_ROWS, Row, rows_for, strip_for
from twin.selectors.vitals import sparks_of

VIEW = "compliance.view_patient"
FEW = 3  # people whom nobody has to search for


def _board(request: HttpRequest) -> dict[str, object]:
    user = require(request, VIEW)
    rows = _noted(request, rows_for(user))
    few = 0 < len(rows) <= FEW and all(row.near for row in rows)
    cursors = {device: seq for row in rows for device, seq in row.cursors.items()}
    mine = any(row.mine for row in rows)
    return {"rows": rows, "strip": strip_for(user), "cursors": cursors, "mine": mine, "near": few}


@open_while_away
@require_GET
def board(request: HttpRequest) -> HttpResponse:
    """Show every patient the reader may see, most urgent first; lead a patient to the own record."""
    if not request.user.has_perm(VIEW) and request.user.has_perm("compliance.view_own_record"):
        return redirect("twin:own_record")
    may_admit = request.user.has_perm("compliance.admit_patient")
    return render(request, "twin/ward.html", {**_board(request), "may_admit": may_admit})


@open_while_away
@require_GET
def board_rows(request: HttpRequest) -> HttpResponse:
    """Answer strip and rows alone, for a page that comes back after a lost connection."""
    return render(request, "twin/_board.html", _board(request))


@open_while_away
@require_GET
def board_strip(request: HttpRequest) -> HttpResponse:
    """Answer the strip above the rows."""
    return render(request, "twin/_strip.html", {"strip": strip_for(require(request, VIEW))})


@open_while_away
@require_GET
def board_row(request: HttpRequest, patient_id: UUID) -> HttpResponse:
    """Answer one patient's row."""
    patient = patient_or_404(request, patient_id)
    rows = _noted(request, rows_for(require(request, VIEW), [patient.pk]))
    return render(request, "twin/_row.html", {"row": rows[0]})


@open_while_away
@require_GET
def board_whole(request: HttpRequest) -> HttpResponse:
    """Answer the whole rows of the patients that `?patient=` names, at most `WHOLE_ROWS`: those that came into view."""
    rows = _noted(request, rows_for(require(request, VIEW), _named(request)))
    return render(request, "twin/_rows.html", {"rows": rows})


@open_while_away
@require_GET
def board_sparks(request: HttpRequest) -> JsonResponse:
    """Answer the last three hours of the tiles of the patients named: {patient: {metric: [[t, value], ...]}}.

    Asked for after the first paint and for what is in view, since it reads more than all the rest of the page.
    """
    rows, now = _noted(request, rows_for(require(request, VIEW), _named(request))), time.time()
    return JsonResponse(sparks_of({str(row.patient.pk): row.tiles for row in rows}, now))


def _noted(request: HttpRequest, rows: list[Row]) -> list[Row]:
    """Return the rows, having noted whom they name."""
    record_list_access(user=request.user, patients=[row.patient.pk for row in rows], what="ward")
    return rows


def _named(request: HttpRequest) -> list[UUID]:
    """Return the patients that the address names. Raises NotFound for what is no identifier, as for a stranger's."""
    try:
        return [UUID(text) for text in request.GET.getlist("patient")[:WHOLE_ROWS]]
    except ValueError as error:
        raise NotFound from error
