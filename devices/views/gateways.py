"""The page of one gateway: whether it is heard, what hangs on it, what happened, and keeping it out."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from compliance.errors import NotFound
from compliance.views.access import may_once_confirmed, require, visible_or_404
from compliance.views.step_up import require_fresh
from devices.models import DeviceState, Gateway, GatewayState
from devices.selectors import VIEW, devices_for, gateway_events, gateways_for, is_up
from devices.selectors.attested import Attested, attested
from devices.selectors.hearing import connections_of, heard_of
from devices.selectors.setup import gateway_setup
from devices.services.attestation import NothingMeasured, approve_measurement, pending_measurement
from devices.services.authority import certificates_of
from devices.services.gateways import set_gateway_state

CONFIGURE = "devices.configure_device"
ACTIONS = {  # state -> what the button says, and what follows
    GatewayState.QUARANTINED: (
        "Quarantine",
        "Nothing that comes through it is heard until somebody lets it in again, within seconds on every server. "
        "Watch its patients by hand meanwhile. What it measures waits on its disk, and nothing is deleted.",
    ),
    GatewayState.ACTIVE: ("Let in again", "It is heard from now on, and what waited on its disk follows."),
    GatewayState.RETIRED: (
        "Revoke",
        "Its key is never believed again. Nothing undoes this: it has to be registered anew, with its devices.",
    ),
}


@require_GET
def gateway_page(request: HttpRequest, gateway_id: int) -> HttpResponse:
    """Show one gateway with its devices and its history."""
    user = require(request, VIEW)
    gateway = visible_or_404(gateways_for(user), pk=gateway_id)
    mine = devices_for(user).filter(gateway=gateway).exclude(state=DeviceState.RETIRED).order_by("label")
    may_configure = may_once_confirmed(user, CONFIGURE, gateway)
    standing, now = attested([gateway.pk])[gateway.pk], timezone.now()
    context = {
        "gateway": gateway,
        "up": is_up(gateway, now),
        "heard": heard_of(mine, now),
        "connections": connections_of(gateway, now),
        "devices": mine,
        "events": gateway_events(gateway),
        "attested": standing,
        "setup": gateway_setup(gateway, standing, mine.count()) if gateway.state == GatewayState.ACTIVE else [],
        "measurements": gateway.measurements.select_related("approved_by")[:10],
        "pending": pending_measurement(gateway),
        "actions": _actions(gateway) if may_configure else {},
        "owner": gateway,
        "is_gateway": True,
        "certificates": certificates_of(gateway)[:10],
        "pairing_url": reverse("devices:gateway_pairing", args=[gateway.pk]),
        "may_configure": may_configure and gateway.state != GatewayState.RETIRED,
    }
    return render(request, "devices/gateway.html", context)


@require_http_methods(["GET", "POST"])
def approve(request: HttpRequest, gateway_id: int) -> HttpResponse:
    """Show what a gateway runs (GET), and approve exactly that (POST). One in quarantine is let in on its own page."""
    user = require(request, CONFIGURE)
    gateway = visible_or_404(gateways_for(user, CONFIGURE, once_confirmed=True), pk=gateway_id)
    require_fresh(request)
    if gateway.state != GatewayState.ACTIVE:
        raise NotFound
    if request.method == "POST":
        try:
            approve_measurement(gateway=gateway, by=user, seen=request.POST.get("seen", ""))
        except NothingMeasured as error:
            messages.error(request, error.message)
            return HttpResponseRedirect(reverse("devices:gateway_approve", args=[gateway.pk]))
        messages.success(request, f"{gateway.name}: what it runs is approved. It connects with nothing else.")
        return HttpResponseRedirect(reverse("devices:gateway", args=[gateway.pk]))
    standing = attested([gateway.pk])[gateway.pk]
    newest = gateway.measurements.first() if standing in (Attested.NEW, Attested.CHANGED) else None
    context = {
        "gateway": gateway,
        "shown": newest if newest and newest.value else None,
        "approved": standing is Attested.APPROVED,
    }
    return render(request, "devices/gateway_approve.html", context)


@require_http_methods(["GET", "POST"])
def gateway_state(request: HttpRequest, gateway_id: int, state: str) -> HttpResponse:
    """Ask whether to quarantine, let in or revoke (GET), and do it (POST). Revoking asks for the gateway's name."""
    user = require(request, CONFIGURE)
    gateway = visible_or_404(gateways_for(user, CONFIGURE, once_confirmed=True), pk=gateway_id)
    require_fresh(request)
    if state not in _actions(gateway):
        raise NotFound
    wanted = GatewayState(state)
    wrong = wanted is GatewayState.RETIRED and request.POST.get("name", "").strip() != gateway.name
    if request.method == "POST" and not wrong:
        set_gateway_state(gateway=gateway, state=wanted, by=user)
        messages.success(request, f"{gateway.name}: {ACTIONS[wanted][0].lower()}, done.")
        return HttpResponseRedirect(reverse("devices:gateway", args=[gateway.pk]))
    verb, consequence = ACTIONS[wanted]
    pending = pending_measurement(gateway) if wanted is GatewayState.ACTIVE else None
    context = {
        "gateway": gateway,
        "verb": verb,
        "consequence": consequence,
        "devices": gateway.devices.exclude(state=DeviceState.RETIRED).count(),
        "pending": pending,
        "ask_name": wanted is GatewayState.RETIRED,
        "wrong": wrong and request.method == "POST",
    }
    return render(request, "devices/gateway_state.html", context, status=400 if context["wrong"] else 200)


def _actions(gateway: Gateway) -> dict[str, str]:
    """Return the states that the gateway may change to, each with its verb."""
    if gateway.state == GatewayState.RETIRED:
        return {}
    return {state.value: verb for state, (verb, _) in ACTIONS.items() if state != gateway.state}
