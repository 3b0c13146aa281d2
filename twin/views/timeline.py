"""The timeline of a patient or a device: a list in pages with filters, and the picture of it above."""

from __future__ import annotations

import time
from collections.abc import Sequence
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from compliance.services.accesses import record_access
from compliance.views.access import patient_or_404, signed_in, visible_or_404
from devices.models import Device
from devices.selectors import devices_for
from devices.selectors.streams import further_cursors
from devices.services.telemetry import store
from devices.services.worn import latest_of
from twin.alerts.priority import Priority
from twin.errors import HistoryWindowWrong
from twin.selectors.board import cursors_of
from twin.selectors.timeline import Axis, in_zone, page_of, picture_of
from twin.timeline.entry import Asked, Cursor, Lane

PAGE = 50
SPANS = ((1, "1 h"), (24, "1 day"), (168, "1 week"), (720, "30 days"))
LONGEST_S = 366 * 86_400.0


@require_http_methods(["GET", "POST"])
def patient_timeline(request: HttpRequest, patient_id: UUID) -> HttpResponse:
    """Show everything that happened around a patient. A search comes by POST: its words may be somebody's name."""
    patient = patient_or_404(request, patient_id)
    axis = Axis(signed_in(request), patient)
    record_access(user=axis.user, patient=patient, what="timeline")
    devices = list(patient.devices.all())
    return _show(request, axis, reverse("twin:timeline", args=[patient.pk]), devices)


@require_http_methods(["GET", "POST"])
def device_timeline(request: HttpRequest, device_id: int) -> HttpResponse:
    """Show everything that happened to a device."""
    device = _device(request, device_id)
    axis = Axis(signed_in(request), device.patient, device)
    record_access(user=axis.user, patient=device.patient, what="timeline")
    return _show(request, axis, reverse("twin:device_timeline", args=[device.pk]), [device])


@require_GET
def patient_picture(request: HttpRequest, patient_id: UUID) -> JsonResponse:
    """Answer lane -> marks of a span of time: `?from=..&to=..`, s since the Unix epoch."""
    return _picture(request, Axis(signed_in(request), patient_or_404(request, patient_id)))


@require_GET
def device_picture(request: HttpRequest, device_id: int) -> JsonResponse:
    """Answer lane -> marks of a span of time."""
    device = _device(request, device_id)
    return _picture(request, Axis(signed_in(request), device.patient, device))


def _device(request: HttpRequest, device_id: int) -> Device:
    return visible_or_404(devices_for(signed_in(request)), pk=device_id)


def _picture(request: HttpRequest, axis: Axis) -> JsonResponse:
    record_access(user=axis.user, patient=axis.patient, what="timeline", refreshing=True)
    try:
        t_from, t_to = float(request.GET["from"]), float(request.GET["to"])
    except (KeyError, ValueError) as error:
        raise HistoryWindowWrong from error
    if not 0 < t_to - t_from <= LONGEST_S or not 0 < t_to < time.time() + LONGEST_S:  # NaN fails here too
        raise HistoryWindowWrong
    asked = Asked.read(request.GET.dict(), request.GET.getlist("lane"))
    return JsonResponse({"from": t_from, "to": t_to, "lanes": picture_of(axis, asked, t_from, t_to)})


def _show(request: HttpRequest, axis: Axis, here: str, devices: Sequence[Device]) -> HttpResponse:
    query = request.POST if request.method == "POST" else request.GET
    asked = Asked.read(query.dict(), query.getlist("lane"), request.POST.get("q", ""))
    zone = axis.patient.time_zone if axis.patient else "UTC"
    before = query.get("before", "")
    ids = [device.pk for device in devices]
    cursor = Cursor.read(before) if before else Cursor.at_clock(query.get("at", ""), zone)
    page = page_of(axis, asked, cursor, PAGE)
    address = _address(here, asked)
    context = {
        "entries": in_zone(page.entries, zone),
        "more": str(page.more) if page.more else "",
        "later": before,
        "asked": asked,
        "lanes": [lane for lane in Lane if lane in axis.lanes()],
        "zone": zone,
        "spans": SPANS,
        "priorities": list(Priority),
        "here": here,
        "address": address,
        "may_see_log": axis.user.has_perm("compliance.view_log"),
        "patient": axis.patient,
        "device": axis.device,
        "cursors": further_cursors(ids, store()) | cursors_of(latest_of(ids)),
    }
    if request.headers.get("HX-Request") != "true":
        return render(request, "twin/timeline.html", context)
    answer = render(request, "twin/_timeline_entries.html", context)
    if not context["later"]:
        answer["HX-Replace-Url"] = address
    return answer


def _address(here: str, asked: Asked) -> str:
    """Return the page's address with its filters, without the words searched for."""
    chosen = [("lane", lane.value) for lane in Lane if lane in asked.lanes] if asked.lanes != frozenset(Lane) else []
    times = [(name, f"{at.timestamp():.0f}") for name, at in (("from", asked.since), ("to", asked.until)) if at]
    pairs = [*chosen, *([("priority", asked.priority)] if asked.priority else []), *times]
    return f"{here}?{urlencode(pairs)}" if pairs else here
