"""What a gateway does on its own for a device, and the cipher of its frames: wished here, beside what it runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from compliance.services.accesses import record_access
from compliance.views.access import require, visible_or_404
from compliance.views.step_up import require_fresh
from devices.gateway.edge.rules import RuleRefused
from devices.gateway.edge.wishes import NEVER_OFF, ON, RULES, rule_from
from devices.models import DesiredSettings, Device
from devices.protocol.settings import DeviceSettings
from devices.protocol.suites import SUITES, Suite
from devices.selectors import devices_for
from devices.selectors.settings import RuleStanding, cipher_standing, rules_standing
from devices.selectors.suites import suite_allowed
from devices.services.settings import SettingsRefused, configure_device
from devices.views.settings import seen_field

CONFIGURE = "devices.configure_device"
OWN, SWITCHED_ON, OFF = "own", "on", "off"
MODES = {OWN: "As the gateway is configured", SWITCHED_ON: "On, as here", OFF: "Off"}
BOUNDS = {  # what a bound is called, and its unit
    "below_mg_dl": ("Stops below", "mg/dL"),
    "in_a_row": ("Readings in a row", ""),
    "ahead_min": ("Expected within (0: never)", "min"),
    "predict_under_mg_dl": ("Expects only under", "mg/dL"),
    "resume_at_mg_dl": ("Runs again at", "mg/dL"),
    "resume_in_a_row": ("After readings in a row", ""),
    "longest_min": ("Stopped at the longest", "min"),
    "after_min": ("Without glucose for", "min"),
    "window_min": ("Over", "min"),
    "tolerance": ("More than was due, as a share", ""),
    "slack_u": ("And insulin beyond", "U"),
    "slack_ml": ("And volume beyond", "mL"),
    "below_u": ("Below", "U"),
    "below_percent": ("Below", "%"),
}


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule of the form: how it stands, whether it is on, and its bounds."""

    standing: RuleStanding
    mode: forms.BoundField
    bounds: list[forms.BoundField]


class RulesForm(forms.Form):
    """The rules that concern a device, and its cipher."""

    def __init__(self, data: Any, device: Device, wish: DesiredSettings | None) -> None:
        super().__init__(data)
        self.device, self.before = device, wish.wanted if wish else DeviceSettings()
        before = self.before
        self.fields["seen"] = seen_field(wish)
        self.standing = rules_standing(device)
        now = before.suite, SUITES[Suite(device.suite)].name  # offered although the house forbade them since
        offered = [suite for suite in Suite if suite_allowed(suite) or suite.facts.name in now]
        self.fields["suite"] = forms.ChoiceField(
            label="Cipher",
            initial=before.suite or SUITES[Suite(device.suite)].name,
            choices=[(suite.facts.name, _cipher(suite)) for suite in offered],
            help_text="Another one begins with a new key, at the gateway's next greeting. No frame is lost.",
        )
        for one in self.standing:
            self._add(one.name, (before.rules or {}).get(one.name))

    def _add(self, name: str, wish: dict[str, float | bool] | None) -> None:
        modes = [(mode, words) for mode, words in MODES.items() if mode != OFF or name not in NEVER_OFF]
        now = OWN if wish is None else SWITCHED_ON if wish.get(ON, True) else OFF
        self.fields[name] = forms.ChoiceField(label="What it does", choices=modes, initial=now)
        for bound, built_in in msgspec.structs.asdict(RULES[name]()).items():
            label, unit = BOUNDS[bound]
            self.fields[f"{name}-{bound}"] = forms.FloatField(
                label=f"{label}, {unit}" if unit else label,
                required=False,
                initial=f"{float((wish or {}).get(bound, built_in)):g}",
                widget=forms.NumberInput(attrs={"step": "any", "placeholder": f"{built_in:g}"}),
            )

    def rows(self) -> Iterator[RuleRow]:
        """Yield the rules as the page shows them."""
        for one in self.standing:
            bounds = [self[f"{one.name}-{bound}"] for bound in RULES[one.name].__struct_fields__]
            yield RuleRow(one, self[one.name], bounds)

    def clean(self) -> dict[str, Any]:
        """Check each rule as the gateway will."""
        said = super().clean() or {}
        for one in self.standing:
            if wish := self._wish(one.name):
                try:
                    rule_from(one.name, self.device.kind, wish)
                except RuleRefused as error:
                    self.add_error(one.name, error.message)
        return said

    def wanted(self) -> DeviceSettings:
        """Return what was chosen: rules or a cipher that nobody ever wished stay unwished."""
        rules = {one.name: wish for one in self.standing if (wish := self._wish(one.name)) is not None}
        chosen = self.cleaned_data["suite"]
        same = not self.before.suite and chosen == SUITES[Suite(self.device.suite)].name
        return msgspec.structs.replace(
            self.before,
            suite="" if same else chosen,
            rules=None if not rules and self.before.rules is None else rules,
        )

    def _wish(self, name: str) -> dict[str, float | bool] | None:
        said = self.cleaned_data
        if said.get(name, OWN) == OWN:
            return None
        given = {bound: said.get(f"{name}-{bound}") for bound in RULES[name].__struct_fields__}
        return {ON: said[name] == SWITCHED_ON} | {bound: value for bound, value in given.items() if value is not None}


def _cipher(suite: Suite) -> str:
    why = ["for measurement"] * suite.facts.for_measurement + ["not allowed any more"] * (not suite_allowed(suite))
    return f"{suite.facts.label} ({', '.join(why)})" if why else suite.facts.label


@require_http_methods(["GET", "POST"])
def device_rules(request: HttpRequest, device_id: int) -> HttpResponse:
    """Show the rules and the cipher that are wished beside what runs (GET), and wish others (POST)."""
    user = require(request, CONFIGURE)
    device = visible_or_404(devices_for(user, CONFIGURE, once_confirmed=True), pk=device_id)
    require_fresh(request)
    record_access(user=user, patient=device.patient, what="device")
    wish = DesiredSettings.objects.filter(device=device).select_related("set_by").first()
    form = RulesForm(request.POST or None, device, wish)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            configure_device(device=device, wanted=form.wanted(), by=user, seen=form.cleaned_data["seen"] or 0)
        except SettingsRefused as error:
            form.add_error(None, error.message)
            status = error.http_status
        else:
            messages.success(request, "Saved. Its gateway follows when it is connected, and says so below.")
            return HttpResponseRedirect(reverse("devices:device_rules", args=[device.pk]))
    context = {
        "device": device,
        "form": form,
        "wish": wish,
        "cipher": cipher_standing(device),
        "reachable": device.gateway.root_sealed is not None,
    }
    return render(request, "devices/rules.html", context, status=max(status, 400) if form.errors else 200)
