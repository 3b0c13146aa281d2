"""Many gateways and devices at once: a file is pasted or chosen, checked line by line, and registered as a whole.

The file itself stays in the browser's form (no door of the house takes files), and codes leave in one answer alone.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from compliance.errors import NotFound
from compliance.models import EventCategory
from compliance.services.accesses import record_list_access
from compliance.services.events import record_error
from compliance.views.access import require
from compliance.views.step_up import require_fresh
from devices.models import Device, Gateway
from devices.provisioning.sheet import COLUMNS, EXAMPLE, MOST_CHARACTERS, MOST_ROWS, read_sheet
from devices.selectors import devices_for, gateways_for
from devices.services.provisioning import LINES_HEAD, SheetRefused, pairing_lines, plain_lines, plan, provision

CONFIGURE = "devices.configure_device"
M = TypeVar("M", bound=Model)
_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r")


@require_http_methods(["GET", "POST"])
def import_sheet(request: HttpRequest) -> HttpResponse:
    """Ask for a file (GET); say line by line what it would do, or do all of it (POST)."""
    user = require(request, CONFIGURE)
    require_fresh(request)
    text = request.POST.get("sheet", "")
    context: dict[str, object] = {
        "text": text,
        "columns": COLUMNS,
        "example": EXAMPLE,
        "most_rows": MOST_ROWS,
        "most_characters": MOST_CHARACTERS,
    }
    if request.method == "GET":
        return render(request, "devices/import.html", context)
    sheet = read_sheet(text)
    found = plan(sheet, user)
    record_list_access(user=user, patients=[one.pk for one in found.wearers.values()], what="wearers")
    context |= {"sheet": sheet, "plan": found}
    if request.POST.get("act") == "register" and not sheet.wrong and not found.refused:
        try:
            made = provision(sheet, user)
        except SheetRefused as error:
            record_error(error, category=EventCategory.OPERATION, user=user)
            context |= {"problem": error.message}
        else:
            return _private(render(request, "devices/import_done.html", {"made": made}))
    wrong = bool(sheet.wrong or found.refused or "problem" in context)
    return _private(render(request, "devices/import.html", context, status=400 if wrong else 200))


@require_POST
def import_list(request: HttpRequest) -> HttpResponse:
    """Hand out the list of what was registered, where wanted with a fresh pairing code for each."""
    user = require(request, CONFIGURE)
    require_fresh(request)
    owners: list[Gateway | Device] = [
        *_all_of(gateways_for(user, CONFIGURE, once_confirmed=True), request.POST.getlist("gateway")),
        *_all_of(devices_for(user, CONFIGURE, once_confirmed=True), request.POST.getlist("device")),
    ]
    if not owners:
        raise NotFound
    worn = {owner.patient_id for owner in owners if isinstance(owner, Device) and owner.patient_id}
    record_list_access(user=user, patients=worn, what="devices")
    if request.POST.get("codes") == "yes":
        lines = pairing_lines(owners, server=request.build_absolute_uri("/").rstrip("/"), by=user)
    else:
        lines = plain_lines(owners)
    response = HttpResponse(_csv([LINES_HEAD, *lines]), content_type="text/csv; charset=utf-8")
    name = f"medtwin-devices-{timezone.now():%Y%m%d-%H%M%S}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return _private(response)


def _all_of(rows: QuerySet[M], asked: list[str]) -> list[M]:
    """Return the rows of those numbers. Raises NotFound unless every one is there and in reach."""
    numbers = {int(number) for number in asked if number.isdecimal() and len(number) <= 10}
    found = list(rows.filter(pk__in=numbers).order_by("pk"))
    if len(found) != len(asked) or len(asked) > MOST_ROWS:
        raise NotFound
    return found


def _csv(lines: Iterable[list[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([[_harmless(cell) for cell in line] for line in lines])
    return out.getvalue()


def _harmless(cell: str) -> str:
    """Return the cell so that no spreadsheet takes it for a formula."""
    return f"'{cell}" if cell.startswith(_RUN_BY_SPREADSHEETS) else cell


def _private(response: HttpResponse) -> HttpResponse:
    response.headers["Cache-Control"] = "no-store"
    return response
