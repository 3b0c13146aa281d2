"""Configuring a device: what it is called, and how its gateway tells of it."""

from __future__ import annotations

from typing import Any

import msgspec
from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from compliance.services.accesses import record_access
from compliance.views.access import may_once_confirmed, require, visible_or_404
from compliance.views.step_up import require_fresh
from devices.models import DesiredSettings, Device
from devices.protocol.settings import DeviceSettings
from devices.provisioning.labels import LONGEST_NAME, LabelRefused, name_of
from devices.selectors import devices_for
from devices.selectors.settings import Standing, standing_of
from devices.services.settings import SettingsChangedMeanwhile, SettingsRefused, configure_device, rename_device

CONFIGURE = "devices.configure_device"
OFTEN_S = {0.0: "Every value", 2.0: "One in 2 s", 5.0: "One in 5 s", 10.0: "One in 10 s"}


def seen_field(wish: DesiredSettings | None) -> forms.IntegerField:
    """Return what a form carries along: the number of the wish that it was made from, 0 for none."""
    return forms.IntegerField(required=False, widget=forms.HiddenInput, initial=wish.number if wish else 0)


class SettingsForm(forms.Form):
    """What may be wished of a device."""

    status = 400  # of the answer that shows what is wrong
    label = forms.CharField(
        label="Label", max_length=LONGEST_NAME, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    every_s = forms.TypedChoiceField(
        label="Of each measurement it sends at most",
        choices=[(f"{seconds:g}", words) for seconds, words in OFTEN_S.items()],
        coerce=float,
        help_text="Fewer values spare the radio, and an alarm may be seen that much later. Doses, a device's own "
        "alarms and waveforms are always sent, and the rules at the gateway see every value.",
    )
    deflate = forms.BooleanField(
        label="Deflated",
        required=False,
        help_text="Shorter frames for more work of the processor: the device's energy page reckons what that is worth.",
    )

    def __init__(self, data: Any, device: Device, standing: Standing | None) -> None:
        wish = standing.wish if standing else None
        self.before = (
            wish.wanted if wish else DeviceSettings()
        )  # the cipher and the rules are set on pages of their own
        now = {"label": device.label, "every_s": f"{wish.every_s:g}" if wish else "0"}
        super().__init__(data, initial=now | {"deflate": bool(wish and wish.deflate)})
        self.fields["seen"] = seen_field(wish)

    def clean_label(self) -> str:
        """Return the label, or say what to mend."""
        try:
            return name_of(self.cleaned_data["label"], of="device")
        except LabelRefused as error:
            raise forms.ValidationError(error.message) from error

    def wanted(self) -> DeviceSettings:
        """Return what was chosen."""
        said = self.cleaned_data
        return msgspec.structs.replace(self.before, every_s=said["every_s"], deflate=said["deflate"])


@require_http_methods(["GET", "POST"])
def device_settings(request: HttpRequest, device_id: int) -> HttpResponse:
    """Show what is wished of a device and what its gateway does (GET), and wish something else (POST)."""
    user = require(request, CONFIGURE)
    device = visible_or_404(devices_for(user, CONFIGURE, once_confirmed=True), pk=device_id)
    require_fresh(request)
    record_access(user=user, patient=device.patient, what="device")
    standing = standing_of(device)
    form = SettingsForm(request.POST or None, device, standing)
    if request.method == "POST" and form.is_valid() and _changed(request, device, standing, form):
        return HttpResponseRedirect(reverse("devices:device", args=[device.pk]))
    context = {
        "device": device,
        "form": form,
        "standing": standing,
        "reachable": device.gateway.root_sealed is not None,
        "may_set_limits": device.patient is not None and may_once_confirmed(user, "twin.set_limits", device.patient),
    }
    return render(request, "devices/settings.html", context, status=form.status if form.errors else 200)


def _changed(request: HttpRequest, device: Device, standing: Standing | None, form: SettingsForm) -> bool:
    """Carry out what was chosen; tell whether it could be."""
    user, wanted = require(request, CONFIGURE), form.wanted()
    try:
        # Who only renames wishes nothing: a gateway that was never paired could not be told.
        if standing is not None or wanted != DeviceSettings():
            configure_device(device=device, wanted=wanted, by=user, seen=form.cleaned_data["seen"] or 0)
        rename_device(device=device, label=form.cleaned_data["label"], by=user)
    except SettingsRefused as error:
        form.add_error(None if isinstance(error, SettingsChangedMeanwhile) else "every_s", error.message)
        form.status = error.http_status
        return False
    messages.success(request, f"{form.cleaned_data['label']}: saved. Its gateway follows when it is connected.")
    return True
