"""Alarm limits of what one device measures: those of whoever wears it, set from the device's page."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from compliance.models import Patient
from compliance.services.accesses import record_access
from compliance.views.access import patient_or_404, require, visible_or_404
from devices.models import Device
from devices.selectors import devices_for
from twin.errors import TwinError
from twin.forms import LimitsForm
from twin.selectors.limits import changes_of, limits_of, own_settings
from twin.services.limits import LimitsChangedMeanwhile, LimitsRefused, set_limits, undo_limits

SET_LIMITS = "twin.set_limits"
SAVED = "Limits saved. They hold within ten seconds."


@require_http_methods(["GET", "POST"])
def device_limits(request: HttpRequest, device_id: int) -> HttpResponse:
    """Show the limits that hold for a device's measurements beside the house's, set them, and undo a change."""
    user = require(request, SET_LIMITS)
    device = visible_or_404(devices_for(user), pk=device_id)
    if device.patient_id is None:
        return render(request, "twin/device_limits.html", {"device": device}, status=200)
    patient = patient_or_404(request, device.patient_id, SET_LIMITS)
    record_access(user=user, patient=patient, what="limits")
    house = limits_of(device)
    saving = request.method == "POST" and not {"default", "undo"} & request.POST.keys()
    form = LimitsForm(house, own_settings(patient), request.POST if saving else None)
    status = 200
    if request.method == "POST":
        status = 409 if request.POST.get("wearer") != str(patient.pk) else 400
        if status == 409:  # what was on the page was about somebody else
            messages.error(request, f"{device.label} changed hands meanwhile, and nothing was saved. Look again.")
            form = LimitsForm(house, own_settings(patient))
        elif _acted(request, device, patient, form):
            return redirect("twin:device_limits", device.pk)
        elif form.meanwhile:
            status = 409
    context = {"device": device, "patient": patient, "form": form, "changes": changes_of(patient, house)}
    return render(request, "twin/device_limits.html", context, status=status)


def _acted(request: HttpRequest, device: Device, patient: Patient, form: LimitsForm) -> bool:
    """Save, go back to the house's, or undo, whatever was asked for; tell whether it could be."""
    user = require(request, SET_LIMITS, patient)
    try:
        if "undo" in request.POST:
            found = changes_of(patient, form.house)
            change = next((one for one in found if str(one.number) == request.POST["undo"]), None)
            if change is None:
                return False
            undo_limits(patient=patient, user=user, change=change, device=device)
            messages.success(request, "Undone. It holds within ten seconds.")
            return True
        if "default" in request.POST:
            key = form.named(request.POST["default"])
            if key is None:
                return False
            seen = {key: form.shown_by(request.POST.get("seen", ""))[key]}
            set_limits(patient=patient, user=user, settings={key: None}, device=device, seen=seen)
        elif form.is_valid():
            seen = form.shown_by(form.cleaned_data["seen"])
            set_limits(patient=patient, user=user, settings=form.settings(), device=device, seen=seen)
        else:
            return False
    except LimitsChangedMeanwhile as error:
        if form.is_bound:
            form.catch_up(error.changed)
        else:
            messages.error(request, error.message)
        return False
    except LimitsRefused as error:
        if form.is_bound:
            form.refuse(error.wrong)
        else:
            messages.error(request, error.message)
        return False
    except TwinError as error:
        messages.error(request, error.message)
        return False
    messages.success(request, SAVED)
    return True
