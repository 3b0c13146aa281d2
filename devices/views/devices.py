"""The device pages: the table with health, one device, and keeping a device's frames out."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from compliance.errors import NotFound
from compliance.selectors import decision_on
from compliance.services.accesses import record_access, record_list_access
from compliance.views.access import may_once_confirmed, require, visible_or_404
from compliance.views.step_up import require_fresh
from devices.errors import StoreUnavailable
from devices.kinds.registry import KINDS
from devices.models import Device, DeviceState
from devices.selectors import (
    VIEW,
    clock_of,
    device_rows,
    devices_for,
    energy_of,
    events_of,
    facts_of,
    gateway_rows,
    gateways_for,
    matching,
)
from devices.selectors.attested import attested
from devices.selectors.hearing import heard_of, history_of
from devices.selectors.homes import homes_of
from devices.selectors.paths import paths_of
from devices.selectors.settings import standing_of
from devices.selectors.setup import device_setup
from devices.selectors.supplies import Life, Supply, life_of
from devices.selectors.worn import worn_since
from devices.services.authority import certificates_of
from devices.services.registry import set_device_state
from devices.services.supplies import supplies_of
from devices.services.worn import latest_of
from devices.telemetry import Reading

log = logging.getLogger(__name__)
CONFIGURE = "devices.configure_device"
SET_LIMITS = "twin.set_limits"
PAGE = 100  # devices on one page, those that need somebody first
ACTIONS = {  # state -> what the button says, and what follows
    DeviceState.QUARANTINED: (
        "Quarantine",
        "Its frames are refused until somebody lets it in again. Nothing is deleted.",
    ),
    DeviceState.ACTIVE: ("Let in again", "Its frames are accepted from now on."),
    DeviceState.RETIRED: ("Retire", "Its frames are refused for good. A retired device has to be registered anew."),
}


@require_GET
def device_list(request: HttpRequest) -> HttpResponse:
    """Show gateways and devices with their health; htmx asks for the table alone."""
    user = require(request, VIEW)
    now = timezone.now()
    asked = {name: request.GET.get(name, "").strip()[:80] for name in ("q", "kind", "state")}
    mine = devices_for(user)
    found = matching(mine, text=asked["q"], kind=asked["kind"], state=asked["state"])
    latest, readable = _latest(found)
    rows = sorted(device_rows(found, latest, now), key=lambda row: (row.health == "well", row.device.label))
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    record_list_access(user=user, patients=[row.device.patient_id for row in page.object_list], what="devices")
    context = {
        "page": page,
        "heard": heard_of([row.device for row in page.object_list], now),
        "gateways": gateway_rows(gateways_for(user), now),
        "asked": asked,
        "readable": readable,
        "any_device": mine.exists(),
        "may_register": decision_on(user, CONFIGURE).allowed,
        "kinds": KINDS.values(),
        "states": DeviceState.choices,
    }
    partial = request.headers.get("HX-Target") == "devices"
    return render(request, "devices/_table.html" if partial else "devices/list.html", context)


@require_GET
def device_page(request: HttpRequest, device_id: int) -> HttpResponse:
    """Show one device: what it measures, what it said last, its energy and its events."""
    user = require(request, VIEW)
    device = visible_or_404(devices_for(user), pk=device_id)
    record_access(user=user, patient=device.patient, what="device")
    now = timezone.now()
    latest, readable = _latest([device])
    running_out = _supplies(device, now)
    may_configure = may_once_confirmed(user, CONFIGURE, device)
    row = device_rows([device], latest, now)[0]
    context = {
        "row": row,
        "heard": heard_of([device], now)[device.pk],
        "link_history": history_of(device, now),
        "attested": attested([device.gateway_id])[device.gateway_id],
        "setup": device_setup(device, row.heard_at is not None) if readable else [],
        "readable": readable,
        "energy": energy_of(device, now),
        "supplies": running_out,
        "life": _life(device),
        "now": now,
        "events": events_of(device),
        "clock": clock_of(device),
        "standing": standing_of(device),
        "facts": facts_of(device, device.patient),
        "homes": homes_of(device, gateways_for(user), latest),
        "paths": paths_of(device, gateways_for(user), now),
        "actions": _actions(device) if may_configure else {},
        "owner": device,
        "is_gateway": False,
        "certificates": certificates_of(device)[:10],
        "pairing_url": reverse("devices:device_pairing", args=[device.pk]),
        "may_set_limits": device.patient is not None and may_once_confirmed(user, SET_LIMITS, device.patient),
        "may_configure": may_configure and device.state != DeviceState.RETIRED,
    }
    return render(request, "devices/device.html", context)


@require_http_methods(["GET", "POST"])
def device_state(request: HttpRequest, device_id: int, state: str) -> HttpResponse:
    """Ask whether to quarantine, let in or retire (GET), and do it (POST). Retiring asks for the serial number."""
    user = require(request, CONFIGURE)
    device = visible_or_404(devices_for(user, CONFIGURE, once_confirmed=True), pk=device_id)
    require_fresh(request)
    if state not in _actions(device):
        raise NotFound
    record_access(user=user, patient=device.patient, what="device")
    wanted = DeviceState(state)
    wrong = wanted is DeviceState.RETIRED and request.POST.get("serial", "").strip() != device.serial
    if request.method == "POST" and not wrong:
        set_device_state(device=device, state=wanted, by=user)
        messages.success(request, f"{device.label} is {wanted.value} now.")
        return HttpResponseRedirect(reverse("devices:device", args=[device.pk]))
    verb, consequence = ACTIONS[wanted]
    context = {
        "device": device,
        "verb": verb,
        "consequence": consequence,
        "ask_serial": wanted is DeviceState.RETIRED,
        "wrong": wrong and request.method == "POST",
    }
    return render(request, "devices/state.html", context, status=400 if context["wrong"] else 200)


def _actions(device: Device) -> dict[str, str]:
    """Return the states that the device may change to, each with its verb."""
    if device.state == DeviceState.RETIRED:
        return {}
    return {state.value: verb for state, (verb, _) in ACTIONS.items() if state != device.state}


def _life(device: Device) -> Life | None:
    """Return how long it may still be worn, from when it came to who wears it."""
    kind = KINDS.get(device.kind)
    if kind is None or device.patient_id is None:
        return None
    return life_of(kind, worn_since([device.pk]).get(device.pk))


def _supplies(device: Device, now: datetime) -> list[Supply]:
    """Return what runs out on it; nothing while the store cannot be read, which the page says already."""
    try:
        return supplies_of(device, now)
    except StoreUnavailable:
        return []


def _latest(devices: Iterable[Device]) -> tuple[list[Reading], bool]:
    """Return the newest readings, and whether the store could be read: the registry is shown even when it cannot."""
    try:
        return latest_of(device.pk for device in devices), True
    except StoreUnavailable:
        log.warning("the device pages could not read telemetry")
        return [], False
