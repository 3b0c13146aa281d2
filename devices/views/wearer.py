"""Saying who wears a device from now on."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from compliance.models import Patient, User
from compliance.selectors import patients_for
from compliance.selectors.identities import by_name
from compliance.services.accesses import record_list_access
from compliance.views.access import require, visible_or_404
from compliance.views.step_up import require_fresh
from devices.models import DesiredSettings, Device
from devices.selectors import devices_for
from devices.services.registry import assign_device

CONFIGURE = "devices.configure_device"


class WearerForm(forms.Form):
    """One of the patients whom the person may see, or nobody."""

    wearer = forms.ChoiceField(label="Worn by", required=False)

    def __init__(self, data: object, device: Device, patients: list[Patient]) -> None:
        super().__init__(data, initial={"wearer": device.patient_id})  # type: ignore[arg-type]
        names = [(str(one.pk), f"{one.name}, bed {one.bed}" if one.bed else one.name) for one in patients]
        self.fields["wearer"] = forms.ChoiceField(choices=[("", "Nobody"), *names], label="Worn by", required=False)


@require_http_methods(["GET", "POST"])
def device_wearer(request: HttpRequest, device_id: int) -> HttpResponse:
    """Ask who wears the device (GET), and write it down (POST)."""
    user = require(request, CONFIGURE)
    device = visible_or_404(devices_for(user, CONFIGURE, once_confirmed=True), pk=device_id)
    require_fresh(request)
    patients = _reachable(user)
    form = WearerForm(request.POST or None, device, patients)
    record_list_access(user=user, patients=[one.pk for one in patients], what="wearers")
    if request.method == "POST" and form.is_valid():
        chosen = {str(one.pk): one for one in patients}.get(form.cleaned_data["wearer"])
        had_rules = _has_rules(device)
        assign_device(device=device, patient=chosen, by=user)
        messages.success(request, f"{device.label} is worn by {chosen.name if chosen else 'nobody'} now.")
        if had_rules and not _has_rules(device):
            messages.warning(request, "The rules wished for its former wearer went back to the gateway's own.")
        return HttpResponseRedirect(reverse("devices:device", args=[device.pk]))
    context = {"device": device, "form": form, "has_rules": _has_rules(device)}
    return render(request, "devices/wearer.html", context, status=400 if form.errors else 200)


def _has_rules(device: Device) -> bool:
    wish = DesiredSettings.objects.filter(device=device).first()
    return wish is not None and bool(wish.rules)


def _reachable(user: User) -> list[Patient]:
    return by_name(patients_for(user, CONFIGURE, once_confirmed=True))
