"""Pairing in the browser: a code that is shown once, what becomes of it, and taking certificates back."""

from __future__ import annotations

import segno
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from compliance.errors import DomainError, NotFound
from compliance.services.accesses import record_access
from compliance.views.access import require, visible_or_404
from compliance.views.step_up import require_fresh
from devices.models import Certificate, CertificateState, Device, DeviceState, Gateway, GatewayState, Pairing
from devices.selectors import devices_for, gateways_for
from devices.services.authority import revoke
from devices.services.pairing import CODE_FOR, MOST_WRONG, begin_pairing

CONFIGURE = "devices.configure_device"
STOP_POLLING = 286  # what htmx takes for an answer after which it need not ask again


@require_http_methods(["GET", "POST"])
def pair_gateway(request: HttpRequest, gateway_id: int) -> HttpResponse:
    """Say what pairing does and how it stands (GET); make a code and show it, once (POST)."""
    user = require(request, CONFIGURE)
    gateway = visible_or_404(gateways_for(user, CONFIGURE, once_confirmed=True), pk=gateway_id)
    return _pairing_page(request, gateway)


@require_http_methods(["GET", "POST"])
def pair_device(request: HttpRequest, device_id: int) -> HttpResponse:
    """As `pair_gateway`, for a device that shall have a root key and a certificate of its own."""
    user = require(request, CONFIGURE)
    device = visible_or_404(devices_for(user, CONFIGURE, once_confirmed=True), pk=device_id)
    require_fresh(request)
    record_access(user=user, patient=device.patient, what="device")
    return _pairing_page(request, device)


def _pairing_page(request: HttpRequest, owner: Gateway | Device) -> HttpResponse:
    require_fresh(request)
    context: dict[str, object] = {
        "owner": owner,
        "is_gateway": isinstance(owner, Gateway),
        "back": _page_of(owner),
        "minutes": CODE_FOR.seconds // 60,
        "guesses": MOST_WRONG,
        "pairing": owner.pairings.first(),
        "out_of_use": owner.state in (GatewayState.RETIRED, DeviceState.RETIRED),
        "gateway_paired": (owner if isinstance(owner, Gateway) else owner.gateway).root_sealed is not None,
        "now": timezone.now(),
    }
    context |= _standing(context["pairing"])
    if request.method == "POST":
        try:
            user = require(request, CONFIGURE)
            new = begin_pairing(owner=owner, server=request.build_absolute_uri("/").rstrip("/"), by=user)
        except DomainError as error:
            messages.error(request, error.message)
            return HttpResponseRedirect(_page_of(owner))
        uri = new.address.uri()
        context |= {"pairing": new.pairing, "code": new.address.code, "uri": uri, "authority": new.address.authority}
        context |= {"picture": segno.make(uri, error="m").svg_data_uri(scale=4, border=2)} | _standing(new.pairing)
    response = render(request, "devices/pairing.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


@require_GET
def pairing_state(request: HttpRequest, pairing_id: int) -> HttpResponse:
    """Show how a pairing stands; the page asks every other second until it is over."""
    user = require(request, CONFIGURE)
    pairing = Pairing.objects.filter(pk=pairing_id).select_related("gateway", "device").first()
    if pairing is None:
        raise NotFound
    owner: Gateway | Device
    if pairing.device_id is not None:
        owner = visible_or_404(devices_for(user, CONFIGURE, once_confirmed=True), pk=pairing.device_id)
        record_access(user=user, patient=owner.patient, what="device")
    else:
        owner = visible_or_404(gateways_for(user, CONFIGURE, once_confirmed=True), pk=pairing.gateway_id)
    context = {"pairing": pairing, "back": _page_of(owner)} | _standing(pairing)
    over = context["standing"] != "waiting"
    return render(request, "devices/_pairing_state.html", context, status=STOP_POLLING if over else 200)


@require_http_methods(["GET", "POST"])
def revoke_certificate(request: HttpRequest, certificate_id: int) -> HttpResponse:
    """Ask whether to take a certificate back (GET), and do it (POST)."""
    user = require(request, CONFIGURE)
    found = Certificate.objects.filter(pk=certificate_id).select_related("gateway", "device__patient").first()
    if found is None or (found.gateway_id is None and found.device_id is None):
        raise NotFound
    owner: Gateway | Device
    if found.device_id is not None:
        owner = visible_or_404(devices_for(user, CONFIGURE, once_confirmed=True), pk=found.device_id)
        record_access(user=user, patient=owner.patient, what="device")
    else:
        owner = visible_or_404(gateways_for(user, CONFIGURE, once_confirmed=True), pk=found.gateway_id)
    require_fresh(request)
    if found.state == CertificateState.REVOKED:
        messages.info(request, "This certificate was taken back before.")
        return HttpResponseRedirect(_page_of(owner))
    if request.method == "POST":
        revoke(found, by=user, reason=request.POST.get("reason", "").strip())
        messages.success(request, "The certificate was taken back.")
        return HttpResponseRedirect(_page_of(owner))
    context = {"certificate": found, "owner": owner, "back": _page_of(owner), "is_gateway": found.device_id is None}
    return render(request, "devices/certificate_revoke.html", context)


def _page_of(owner: Gateway | Device) -> str:
    return reverse("devices:gateway" if isinstance(owner, Gateway) else "devices:device", args=[owner.pk])


def _standing(pairing: object) -> dict[str, object]:
    if not isinstance(pairing, Pairing):
        return {"standing": ""}
    now = timezone.now()
    left_s = max(0, int((pairing.expires_at - now).total_seconds()))
    return {
        "standing": pairing.standing(now),
        "left": f"{left_s // 60}:{left_s % 60:02d}",
        "guesses_left": MOST_WRONG - pairing.wrong,
    }
