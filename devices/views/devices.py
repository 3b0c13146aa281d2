"""The device pages: the table with health, one device, and keeping a device's frames out."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from compliance.errors import NotFound
from compliance.views.access import require, visible_or_404
from devices.errors import StoreUnavailable
from devices.kinds.registry import KINDS
from devices.models import Device, DeviceState
from devices.selectors import (
    VIEW,
    device_rows,
    devices_for,
    energy_of,
    events_of,
    gateway_rows,
    gateways_for,
    matching,
)
from devices.services.registry import set_device_state
from devices.services.telemetry import store
from devices.telemetry import Reading

log = logging.getLogger(__name__)
CONFIGURE = "devices.configure_device"
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
    asked = {name: request.GET.get(name, "").replace("\0", "").strip()[:80] for name in ("q", "kind", "state")}
    mine = devices_for(user)
    found = matching(mine, text=asked["q"], kind=asked["kind"], state=asked["state"])
    latest, readable = _latest(found)
    context = {
        "rows": sorted(device_rows(found, latest, now), key=lambda row: (row.health == "well", row.device.label)),
        "gateways": gateway_rows(gateways_for(user), now),
        "asked": asked,
        "readable": readable,
        "any_device": mine.exists(),
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
    now = timezone.now()
    latest, readable = _latest([device])
    may_configure = user.has_perm(CONFIGURE, device)
    context = {
        "row": device_rows([device], latest, now)[0],
        "readable": readable,
        "energy": energy_of(device, now),
        "events": events_of(device),
        "actions": _actions(device) if may_configure else {},
    }
    return render(request, "devices/device.html", context)


@require_http_methods(["GET", "POST"])
def device_state(request: HttpRequest, device_id: int, state: str) -> HttpResponse:
    """Ask whether to quarantine, let in or retire (GET), and do it (POST). Retiring asks for the serial number."""
    user = require(request, CONFIGURE)
    device = visible_or_404(devices_for(user, CONFIGURE), pk=device_id)
    if state not in _actions(device):
        raise NotFound
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


def _latest(devices: Iterable[Device]) -> tuple[list[Reading], bool]:
    """Return the newest readings, and whether the store could be read: the registry is shown even when it cannot."""
    try:
        return store().latest([device.pk for device in devices]), True
    except StoreUnavailable:
        log.warning("the device pages could not read telemetry")
        return [], False
