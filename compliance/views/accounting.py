"""The accounting of disclosures for those who answer for privacy: who looked at whom, when and why."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_GET

from compliance.copies.archive import inert
from compliance.models import AccessRecord, EventCategory, User
from compliance.privacy.parts import LISTS
from compliance.privacy.purposes import AccessPurpose
from compliance.selectors import patients_for, scope_for, within_scope
from compliance.services.accesses import record_list_access
from compliance.services.events import record_event
from compliance.views.access import require
from compliance.views.privacy_words import WHY, look_of
from compliance.views.step_up import require_fresh

MANAGE = "compliance.manage_privacy"
PAGE = 100
MOST_ROWS = 100_000
PERIOD = timedelta(days=30)
HOUSE_TIME = ZoneInfo("UTC")


@require_GET
def accounting(request: HttpRequest) -> HttpResponse:
    """List looks at records of the reader's wards: `?patient=<uuid>&from=..&to=..&purpose=..&lists=yes`."""
    user = require(request, MANAGE)
    require_fresh(request)
    asked, rows = _asked(request), _found(user, _asked(request))
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    patients = sorted(patients_for(user, MANAGE), key=lambda one: one.name)
    named = [patient.pk for patient in patients]
    record_list_access(user=user, patients=named, what="accounting")
    context = {
        "page": page,
        "looks": [(look_of(row, HOUSE_TIME), row.patient) for row in page],
        "asked": asked,
        "patients": patients,
        "purposes": [(purpose.value, WHY[purpose]) for purpose in AccessPurpose],
        "query": urlencode(asked),
    }
    return render(request, "compliance/accounting.html", context)


@require_GET
def accounting_file(request: HttpRequest) -> HttpResponse:
    """Send the same as CSV, the newest 100,000 rows at most; it is an event."""
    user = require(request, MANAGE)
    require_fresh(request)
    rows = _found(user, _asked(request))[:MOST_ROWS]
    record_list_access(user=user, patients=[row.patient_id for row in rows], what="accounting")
    record_event(
        category=EventCategory.SECURITY,
        code="accounting_exported",
        message="An accounting of disclosures left the house.",
        user=user,
        detail={"rows": len(rows)},
    )
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    writer.writerow(("when_utc", "record_number", "patient", "who", "role", "what", "purpose"))
    writer.writerows(map(_cells, rows))
    response = HttpResponse(sheet.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="accounting-of-disclosures.csv"'
    return response


def _cells(row: AccessRecord) -> Iterator[object]:
    look, patient = look_of(row, HOUSE_TIME), row.patient
    cells = (look.at.isoformat(), patient.medical_record_number, patient.name, look.who, look.role, look.what, look.why)
    return map(inert, cells)


def _asked(request: HttpRequest) -> dict[str, str]:
    """Return the filters as the address has them; what cannot be read falls back to the last thirty days."""
    today = timezone.now().date()
    since = _day(request.GET.get("from", "")) or today - PERIOD
    until = _day(request.GET.get("to", "")) or today
    try:
        patient = str(UUID(request.GET.get("patient", "")))
    except ValueError:
        patient = ""
    purpose = request.GET.get("purpose", "")
    return {
        "patient": patient,
        "from": since.isoformat(),
        "to": until.isoformat(),
        "purpose": purpose if purpose in set(AccessPurpose) else "",
        "lists": "yes" if request.GET.get("lists") == "yes" else "",
    }


def _found(user: User, asked: dict[str, str]) -> QuerySet[AccessRecord]:
    rows = within_scope(AccessRecord.objects.select_related("user", "patient"), scope_for(user, MANAGE))
    since, until = (
        datetime.combine(_day(asked[name]) or timezone.now().date(), time(), UTC) for name in ("from", "to")
    )
    rows = rows.filter(at__gte=since, at__lt=until + timedelta(days=1))
    if asked["patient"]:
        rows = rows.filter(patient_id=UUID(asked["patient"]))
    if asked["purpose"]:
        rows = rows.filter(purpose=asked["purpose"])
    return rows if asked["lists"] else rows.exclude(what__in=LISTS)


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None
