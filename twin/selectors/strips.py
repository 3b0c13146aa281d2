"""Which strips a patient's page stacks: one per thing that the patient's devices measure, always in the same order.

A strip is a dictionary for static/js/strip.js: form (line, step, span, alarms), label, height in px, key, `with` (a
second key: cuff pressure, bolus), unit, decimals, domain (the usual range, which opens when needed), band (the wanted
range).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from devices.kinds.registry import KINDS, by_key
from devices.models import Device
from twin.alerts.limits import Limit, Side
from twin.selectors.vitals import fresh_for_s

AXIS_PX = 24
Band = tuple[float | None, float | None]


class Stems(TypedDict):
    """How the amounts of events are written."""

    unit: str
    decimals: int


_WITH = {"bp_systolic": "bp_diastolic", "insulin_rate": "insulin_bolus"}
_LABELS = {"bp_systolic": "Blood pressure", "insulin_rate": "Insulin"}
_SHAPES: dict[str, tuple[str, tuple[float, float], int]] = {
    "glucose": ("line", (40, 260), 150),
    "insulin_rate": ("step", (0, 2), 84),
    "infusion_rate": ("step", (0, 10), 72),
    "line_pressure": ("line", (0, 300), 72),
    "heart_rate": ("line", (50, 110), 84),
    "spo2": ("line", (88, 100), 72),
    "respiration_rate": ("line", (8, 24), 72),
    "bp_systolic": ("span", (50, 150), 84),
    "temperature": ("line", (36, 38.5), 72),
    "fev1": ("line", (0, 5), 72),
    "fvc": ("line", (0, 6), 72),
    "fev1_fvc": ("line", (30, 100), 72),
    "pef": ("line", (0, 10), 72),
}


def strips_for(devices: Sequence[Device], bands: Mapping[str, Band]) -> list[dict[str, object]]:
    """Return the specifications of the strips, alarms last. `bands`: wanted range by metric key."""
    measured = {m.key for device in devices for m in KINDS[device.kind].measurements}
    strips = [_strip(key, bands.get(key)) for key in _SHAPES if key in measured]
    return [*strips, {"form": "alarms", "label": "Alarms", "height": 52, "domain": (0, 1)}]


def bands_of(limits: Iterable[Limit]) -> dict[str, Band]:
    """Return by metric the range in which no alarm is raised: from the highest lower to the lowest upper limit."""
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    for limit in limits:
        if limit.side is Side.LOW:
            low[limit.metric] = max(low.get(limit.metric, limit.bound), limit.bound)
        elif limit.side is Side.HIGH:
            high[limit.metric] = min(high.get(limit.metric, limit.bound), limit.bound)
    return {metric: (low.get(metric), high.get(metric)) for metric in low.keys() | high.keys()}


def height_of(strips: Sequence[Mapping[str, object]]) -> int:
    """Return the height of all strips and their time axis in px, so that the page keeps their place from the start."""
    return AXIS_PX + sum(int(str(strip["height"])) for strip in strips)


def keys_of(strips: Sequence[Mapping[str, object]]) -> list[str]:
    """Return every metric key that the strips need."""
    return [str(strip[name]) for strip in strips for name in ("key", "with") if name in strip]


def _strip(key: str, band: Band | None) -> dict[str, object]:
    measurement = by_key(key)
    form, domain, height = _SHAPES[key]
    strip: dict[str, object] = {
        "key": key,
        "form": form,
        "label": _LABELS.get(key, measurement.label),
        "unit": measurement.unit_label,
        "decimals": measurement.decimals,
        "domain": domain,
        "height": height,
        "fresh_for_s": fresh_for_s(measurement),
    }
    if band is not None and form != "span":  # a limit of the systolic value says nothing about the bar
        strip["band"] = band
    if key in _WITH:
        strip["with"] = _WITH[key]
    if key == "insulin_rate":
        bolus = by_key("insulin_bolus")
        strip["stems"] = Stems(unit=bolus.unit_label, decimals=bolus.decimals)
    return strip
