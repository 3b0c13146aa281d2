"""Forms of the device package."""

from __future__ import annotations

from typing import ClassVar, cast

from django import forms

from compliance.errors import DomainError
from compliance.models import User, Ward
from compliance.selectors import scope_for
from devices.energy.choice import BATCHES
from devices.energy.duty import Duty
from devices.energy.links import LINKS
from devices.kinds.registry import KINDS, Form
from devices.models import HL7Destination
from devices.protocol.suites import SUITES, Suite
from devices.selectors.hl7 import CONFIGURE
from devices.services.hl7_destinations import check_authority, client_certificates


def reportable() -> list[tuple[str, str]]:
    """Return key and label of everything that can be reported: waveforms do not fit into an observation."""
    found = {m.key: m.label for kind in KINDS.values() for m in kind.measurements if m.kind is not Form.WAVEFORM}
    return sorted(found.items(), key=lambda pair: pair[1].lower())


class HL7DestinationForm(forms.ModelForm):  # type: ignore[type-arg]
    """A receiver, as its administrator describes it. Offers the wards that `user` may configure, and no others."""

    metrics = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple, label="Measurements")
    wards = forms.ModelMultipleChoiceField(Ward.objects.none(), widget=forms.CheckboxSelectMultiple)
    client_certificate = forms.ChoiceField(required=False, label="Our certificate")

    class Meta:
        model = HL7Destination
        fields: ClassVar = [
            "name", "host", "port", "authority", "client_certificate", "facility", "wards", "metrics", "period_s",
            "result_status", "shares_outside",
        ]  # fmt: skip
        labels: ClassVar = {
            "authority": "Certificate authority",
            "facility": "Our facility",
            "period_s": "Seconds between reports",
            "result_status": "Values are",
            "shares_outside": "It belongs to another house",
        }
        help_texts: ClassVar = {
            "name": "What people here call the receiver.",
            "host": "Its name as its certificate has it, or its address.",
            "authority": "PEM text of the authority that signed the receiver's certificate.",
            "facility": "Sent as MSH-4; ask the receiver's operator. May stay empty.",
            "period_s": "One value of each measurement in this time; alarms and other changes are all sent.",
            "shares_outside": "Then it is told only of patients who agreed to sharing their record.",
        }
        widgets: ClassVar = {"authority": forms.Textarea(attrs={"rows": 6, "spellcheck": "false"})}

    def __init__(self, *args: object, user: User, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        choices = {"metrics": reportable(), "client_certificate": [("", "none")]}
        choices["client_certificate"] += [(name, name) for name in client_certificates()]
        for name, offered in choices.items():
            cast(forms.ChoiceField, self.fields[name]).choices = offered
        wards = cast("forms.ModelMultipleChoiceField[Ward]", self.fields["wards"])
        wards.queryset = Ward.objects.filter(pk__in=scope_for(user, CONFIGURE, once_confirmed=True).ward_ids).order_by(
            "name"
        )
        self.fields["client_certificate"].help_text = "A pair of files in HL7_CERTIFICATES_DIR, if the receiver asks."

    def clean_host(self) -> str:
        """Return the host; a wildcard or an address with a port would only fail later."""
        host = str(self.cleaned_data["host"]).strip().rstrip(".")
        if not host or not set(host) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:"):
            raise forms.ValidationError("This is no host name or address. Write it without port and without https://.")
        return host

    def clean_authority(self) -> str:
        """Return the PEM text of a certificate that can be used."""
        pem = str(self.cleaned_data["authority"])
        try:
            check_authority(pem)
        except DomainError as error:
            raise forms.ValidationError(error.message) from error
        return pem


class DutyForm(forms.Form):
    """Another way of sending, as somebody tries it out. Nothing is set by it."""

    period_s = forms.FloatField(min_value=0.1, max_value=86_400.0, label="Seconds between measurements")
    batch = forms.TypedChoiceField(choices=[(n, n) for n in BATCHES], coerce=int, label="Measurements a message")
    link = forms.ChoiceField(choices=[(name, link.label) for name, link in LINKS.items()], label="Link")
    suite = forms.TypedChoiceField(
        choices=[(suite.value, facts.label) for suite, facts in SUITES.items()] + [(0, "none, for comparison")],
        coerce=int,
        label="Cipher",
    )
    deflated = forms.BooleanField(required=False, label="Deflated")
    at_once = forms.BooleanField(required=False, label="A crossed limit is sent at once")

    def duty(self, metrics: int) -> Duty:
        """Return the way of sending that was filled in. metrics: readings of one measurement."""
        asked = self.cleaned_data
        return Duty(
            LINKS[asked["link"]],
            asked["period_s"],
            metrics,
            asked["batch"],
            Suite(asked["suite"]) if asked["suite"] else None,
            asked["deflated"],
            asked["at_once"],
        )
