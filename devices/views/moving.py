"""Moving a device to another gateway, and back."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from compliance.models import User
from compliance.services.accesses import record_access
from compliance.views.access import require, visible_or_404
from compliance.views.step_up import require_fresh
from devices.models import Device, DeviceState, Gateway
from devices.selectors import devices_for, is_up
from devices.selectors.homes import targets_of
from devices.services.moving import move_device
from devices.services.registry import RegistrationRefused
from devices.views.register_forms import HubField

CONFIGURE = "devices.configure_device"


class MoveForm(forms.Form):
    """One of the gateways to which the person may move the device. seen_at: where it was when they were asked."""

    seen_at = forms.IntegerField(required=False, widget=forms.HiddenInput)
    gateway = HubField(Gateway.objects.none(), label="To", empty_label="Choose")

    def __init__(self, *args: Any, user: User, device: Device, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["gateway"] = HubField(targets_of(user, device), label="To", empty_label="Choose")


@require_http_methods(["GET", "POST"])
def move(request: HttpRequest, device_id: int) -> HttpResponse:
    """Ask to which gateway (GET), and move the device there (POST). `?to=` chooses one beforehand."""
    user = require(request, CONFIGURE)
    device = visible_or_404(devices_for(user, CONFIGURE, once_confirmed=True), pk=device_id)
    require_fresh(request)
    record_access(user=user, patient=device.patient, what="device")
    chosen = {"gateway": request.GET.get("to", "")[:20], "seen_at": device.gateway_id}
    form = MoveForm(request.POST or None, user=user, device=device, initial=chosen)
    if request.method == "POST" and form.is_valid():
        target = form.cleaned_data["gateway"]
        try:
            # A page of before this question was asked is answered as one that is out of date.
            move_device(device=device, to=target, by=user, seen_at=form.cleaned_data["seen_at"] or 0)
        except RegistrationRefused as error:
            form.add_error("gateway", f"{error.message[:1].upper()}{error.message[1:]}.")
        else:
            messages.success(request, f"{device.label} belongs to {target.name} now. See below what is left to do.")
            return HttpResponseRedirect(reverse("devices:device", args=[device.pk]))
    context = {
        "device": device,
        "form": form,
        "any_target": form.fields["gateway"].queryset.exists(),  # type: ignore[attr-defined]
        "retired": device.state == DeviceState.RETIRED,
        "up": is_up(device.gateway, timezone.now()),
    }
    return render(request, "devices/move.html", context, status=400 if form.errors else 200)
