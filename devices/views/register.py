"""Registering a gateway or a device in the browser. What comes next, pairing it, is a page of its own."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from compliance.views.access import require
from compliance.views.step_up import require_fresh
from devices.kinds.registry import KINDS
from devices.selectors.reach import hubs_of, wards_of
from devices.services.registry import CipherRefused, RegistrationRefused, register_device, register_gateway
from devices.views.register_forms import DeviceForm, GatewayForm

CONFIGURE = "devices.configure_device"


@require_http_methods(["GET", "POST"])
def new_gateway(request: HttpRequest) -> HttpResponse:
    """Ask for a gateway (GET), and register it (POST)."""
    user = require(request, CONFIGURE)
    require_fresh(request)
    form = GatewayForm(request.POST or None, user=user)
    if request.method == "POST" and form.is_valid():
        try:
            made = register_gateway(**form.cleaned_data, by=user)
        except RegistrationRefused as error:
            form.add_error("name", f"{_sentence(error.message)} Choose another name.")
        else:
            messages.success(request, f"{made.name} is registered. Pair it, so that it may connect.")
            return HttpResponseRedirect(reverse("devices:gateway", args=[made.pk]))
    context = {"form": form, "any_ward": wards_of(user).exists()}
    return render(request, "devices/gateway_new.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "POST"])
def new_device(request: HttpRequest) -> HttpResponse:
    """Ask for a device (GET), and register it (POST). `?gateway=` chooses its gateway beforehand."""
    user = require(request, CONFIGURE)
    require_fresh(request)
    form = DeviceForm(request.POST or None, user=user, initial={"gateway": request.GET.get("gateway", "")[:20]})
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        try:
            made, _key = register_device(
                serial=said["serial"],
                kind=said["kind"],
                label=said["label"] or KINDS[said["kind"]].label,
                gateway=said["gateway"],
                patient=None,
                link=said["link"],
                suite=said["cipher"],
                by=user,
            )
        except RegistrationRefused as error:
            form.add_error("serial", f"{_sentence(error.message)} Compare it with the one on the device.")
        except CipherRefused as error:
            form.add_error("cipher", error.message)
        else:
            messages.success(request, f"{made.label} {made.serial} is registered. Pair it, so that it is heard.")
            return HttpResponseRedirect(reverse("devices:device", args=[made.pk]))
    context = {"form": form, "any_gateway": hubs_of(user).exists()}
    return render(request, "devices/device_new.html", context, status=400 if form.errors else 200)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
