"""Forms of the twin's pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from django import forms

from devices.kinds.registry import Measurement, by_key
from twin.alerts.limits import Changed, Limit, LimitKey, Setting
from twin.services.limits import MAX_DELAY_S


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One line of the form: what the house says, and the two fields for this patient."""

    house: Limit
    measurement: Measurement
    bound: forms.BoundField
    delay: forms.BoundField
    name: str = ""  # by which a page asks for the house's again
    set_to: Setting | None = None  # what is stored for this patient

    @property
    def own(self) -> bool:
        """Tell whether this patient has a limit of their own."""
        return bool(self.bound.value() not in (None, "") or self.delay.value() not in (None, ""))


class LimitsForm(forms.Form):
    """Bounds and delays of one patient; an empty field means the house's."""

    def __init__(
        self, house: Sequence[Limit], own: Mapping[LimitKey, Setting], data: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(data)
        self.house, self.stored = list(house), dict(own)
        self.meanwhile: list[Changed] = []  # what somebody else set since the page was made
        self.fields["seen"] = forms.CharField(required=False, widget=forms.HiddenInput, initial=self.token)
        for limit in house:
            name, measurement = _name(limit.key), by_key(limit.metric)
            set_to = own.get(limit.key)
            what = f"{measurement.label}, {limit.side} limit, {limit.priority} priority"
            self.fields[f"bound-{name}"] = _number(
                f"{what}, {measurement.unit_label}", limit.bound, set_to.bound if set_to else None
            )
            self.fields[f"delay-{name}"] = _number(
                f"{what}: delay in seconds", limit.delay_s, set_to.delay_s if set_to else None, 0, MAX_DELAY_S
            )

    def rows(self) -> Iterator[LimitRow]:
        """Yield the lines in the order of the house's table."""
        for limit in self.house:
            name = _name(limit.key)
            fields = self[f"bound-{name}"], self[f"delay-{name}"]
            yield LimitRow(limit, by_key(limit.metric), *fields, name, self.stored.get(limit.key))

    def settings(self) -> dict[LimitKey, Setting | None]:
        """Return what was entered; None where both fields are empty."""
        return {limit.key: self._setting(limit) for limit in self.house}

    @property
    def token(self) -> str:
        """What is stored for the limits of this form, as the page carries it along: {name: [bound, delay]}."""
        known = {limit.key for limit in self.house}
        kept = sorted((_name(key), (one.bound, one.delay_s)) for key, one in self.stored.items() if key in known)
        return msgspec.json.encode(dict(kept)).decode()

    def shown_by(self, token: str) -> dict[LimitKey, Setting | None]:
        """Return what held when the page was made that carries this token; without one, that nothing was set."""
        try:
            told = msgspec.json.decode(token, type=dict[str, tuple[float, float]])
        except (msgspec.DecodeError, UnicodeError):
            told = {}
        keys = {limit.key: _name(limit.key) for limit in self.house}
        return {key: Setting(key, *told[name]) if name in told else None for key, name in keys.items()}

    def catch_up(self, changed: Sequence[Changed]) -> None:
        """Show what was changed meanwhile, keep what was typed, and be made from what holds by now."""
        self.meanwhile = list(changed)
        data = {name: self.data.get(name, "") for name in self.fields}
        stored = self.shown_by(data["seen"]) | {one.key: one.after for one in changed}
        self.stored = {key: one for key, one in stored.items() if one is not None}
        for one in changed:
            bound, delay = f"bound-{_name(one.key)}", f"delay-{_name(one.key)}"
            if (data[bound].strip(), data[delay].strip()) == _shown(one.before):  # untouched: it shows the new one
                data[bound], data[delay] = _shown(one.after)
        self.data = data | {"seen": self.token}

    def named(self, name: str) -> LimitKey | None:
        """Return the limit that a row calls by this name; None for no row of this form."""
        return next((limit.key for limit in self.house if _name(limit.key) == name), None)

    def refuse(self, wrong: Mapping[LimitKey, str]) -> None:
        """Show what the service refused beside its field."""
        known = {limit.key for limit in self.house}
        for key, sentence in wrong.items():
            self.add_error(f"bound-{_name(key)}" if key in known else None, sentence)

    def _setting(self, limit: Limit) -> Setting | None:
        bound, delay = (self.cleaned_data[f"{field}-{_name(limit.key)}"] for field in ("bound", "delay"))
        if bound is None and delay is None:
            return None
        return Setting(limit.key, limit.bound if bound is None else bound, limit.delay_s if delay is None else delay)


def _name(key: LimitKey) -> str:
    return "-".join(key)


def _shown(one: Setting | None) -> tuple[str, str]:
    return ("", "") if one is None else (f"{one.bound:g}", f"{one.delay_s:g}")


def _number(
    label: str, house: float, own: float | None, low: float | None = None, high: float | None = None
) -> forms.FloatField:
    widget = forms.NumberInput(attrs={"placeholder": f"{house:g}", "step": "any", "aria-label": label})
    initial = None if own is None else f"{own:g}"
    return forms.FloatField(label=label, required=False, min_value=low, max_value=high, widget=widget, initial=initial)
