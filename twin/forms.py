"""Forms of the twin's pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms

from devices.kinds.registry import Measurement, by_key
from twin.alerts.limits import Limit, LimitKey, Setting
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


def _number(
    label: str, house: float, own: float | None, low: float | None = None, high: float | None = None
) -> forms.FloatField:
    widget = forms.NumberInput(attrs={"placeholder": f"{house:g}", "step": "any", "aria-label": label})
    initial = None if own is None else f"{own:g}"
    return forms.FloatField(label=label, required=False, min_value=low, max_value=high, widget=widget, initial=initial)
