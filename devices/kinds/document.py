"""The reference of device kinds as Markdown, written from the tables so that it cannot disagree with them."""

from __future__ import annotations

from devices.kinds.measurement import DeviceKind, Form, Measurement
from devices.kinds.registry import KINDS

HEAD = """# Device kinds

Written by `manage.py document_devices` from the tables in `devices/kinds/`. Codes are ISO/IEEE 11073-10101 as
partition::term (1024 is the partition that the standard leaves for one's own terms), LOINC where it has a term, units
UCUM. A value outside its range cannot be true and is refused. The last column says how urgently it travels, and what a
full gateway drops last ([edge.md](edge.md)). How to add a kind: [add-a-device.md](add-a-device.md).
"""


def as_markdown() -> str:
    """Return the whole reference."""
    return "\n".join([HEAD, *(_section(kind) for kind in KINDS.values())])


def _section(kind: DeviceKind) -> str:
    rows = "\n".join(_row(measurement) for measurement in kind.measurements)
    head = "| key | what | code | LOINC | unit | range | every | travels as |\n|---|---|---|---|---|---|---|---|"
    return f"## {kind.label}: `{kind.name}`\n\n{head}\n{rows}\n"


def _row(m: Measurement) -> str:
    if m.kind is Form.ENUMERATION:
        span = ", ".join(f"{number} {name}" for number, name in m.values.items())
    else:
        span = f"{m.low:g} to {m.high:g}"
    period = f"{m.period_s:g} s" if m.period_s else "event"
    code = f"{m.code >> 16}::{m.code & 0xFFFF}"
    urgency = m.travels_as.name.lower()
    return f"| `{m.key}` | {m.label} | {code} | {m.loinc or '-'} | {m.unit} | {span} | {period} | {urgency} |"
