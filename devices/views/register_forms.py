"""What an administrator says of a new gateway or device. Offered is only what they may configure."""

from __future__ import annotations

from typing import Any

from django import forms

from compliance.models import User, Ward
from devices.kinds.registry import KINDS
from devices.models import Gateway
from devices.protocol.suites import Suite
from devices.provisioning.labels import (
    DEVICE_LINKS,
    GATEWAY_LINKS,
    LONGEST_NAME,
    LONGEST_SERIAL,
    LabelRefused,
    name_of,
    serial_of,
)
from devices.selectors.reach import hubs_of, wards_of
from devices.selectors.suites import suite_allowed
from devices.templatetags.device_words import link_label

_PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}


class GatewayForm(forms.Form):
    """A gateway: what it is called, where it stands, and how it reaches the server."""

    name = forms.CharField(
        label="Name",
        max_length=LONGEST_NAME,
        help_text="As pages and alarms call it, such as where it stands.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    ward = forms.ModelChoiceField(Ward.objects.none(), label="Ward", empty_label=None)
    link = forms.ChoiceField(label="Reaches the server by", choices=[(one, link_label(one)) for one in GATEWAY_LINKS])

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["ward"] = forms.ModelChoiceField(wards_of(user), label="Ward", empty_label=None)

    def clean_name(self) -> str:
        """Return the name, or say what to mend."""
        try:
            return name_of(self.cleaned_data["name"], of="gateway")
        except LabelRefused as error:
            raise forms.ValidationError(error.message) from error


class HubField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A gateway, with its ward."""

    def label_from_instance(self, obj: Gateway) -> str:
        """Return its name and its ward."""
        return f"{obj.name}, {obj.ward.name}"


class DeviceForm(forms.Form):
    """A device: what it is, its serial number, on which gateway it hangs, and what seals its frames."""

    kind = forms.ChoiceField(label="Kind", choices=[("", "Choose"), *((one.name, one.label) for one in KINDS.values())])
    serial = forms.CharField(
        label="Serial number",
        max_length=LONGEST_SERIAL,
        help_text="As it stands on the device.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    label = forms.CharField(
        label="Label",
        required=False,
        max_length=LONGEST_NAME,
        help_text="As pages call it. Left empty, it is called by its kind.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    gateway = HubField(Gateway.objects.none(), label="Gateway", empty_label="Choose")
    link = forms.ChoiceField(label="Reaches the gateway by", choices=[(one, link_label(one)) for one in DEVICE_LINKS])
    cipher = forms.TypedChoiceField(
        label="Cipher",
        coerce=lambda value: Suite(int(value)),
        help_text="What seals its frames. Another one later begins with a new key.",
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["gateway"] = HubField(hubs_of(user), label="Gateway", empty_label="Choose")
        allowed = [(suite.value, suite.facts.label) for suite in Suite if suite_allowed(suite)]
        self.fields["cipher"].choices = allowed  # type: ignore[attr-defined]

    def clean_serial(self) -> str:
        """Return the serial number, or say what to mend."""
        try:
            return serial_of(self.cleaned_data["serial"])
        except LabelRefused as error:
            raise forms.ValidationError(error.message) from error

    def clean_label(self) -> str:
        """Return the label, "" for the kind's own word."""
        text = str(self.cleaned_data["label"]).strip()
        try:
            return name_of(text, of="device") if text else ""
        except LabelRefused as error:
            raise forms.ValidationError(error.message) from error
