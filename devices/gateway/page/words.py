"""Numbers and rules as people read them."""

from __future__ import annotations

from datetime import datetime

from devices.gateway.edge.rules import (
    LowBattery,
    LowReservoir,
    OverInfusion,
    PumpTrouble,
    Rule,
    SensorSilent,
    SevereLow,
)

RULE_NAMES = {
    "severe_low": "Severe low glucose",
    "sensor_silent": "No glucose readings",
    "pump_trouble": "Pump alarm",
    "over_infusion": "Over-infusion",
    "low_reservoir": "Reservoir nearly empty",
    "low_battery": "Battery nearly empty",
}


def rule_words(rule: Rule) -> str:
    """Return what a rule does, in a sentence."""
    match rule:
        case SevereLow():
            ahead = f", or will be within {rule.ahead_min:g} minutes" if rule.ahead_min else ""
            return (
                f"Severe low glucose: when {rule.in_a_row} readings in a row are below {rule.below_mg_dl:g} mg/dL"
                f"{ahead}, the insulin pump is stopped. It runs again after {rule.resume_in_a_row} readings at "
                f"{rule.resume_at_mg_dl:g} or more, or after {rule.longest_min:g} minutes."
            )
        case SensorSilent():
            return (
                f"No glucose readings for {rule.after_min:g} minutes: the pump goes back to its programmed basal rate, "
                "and nothing corrects."
            )
        case PumpTrouble():
            return "Pump alarm: an alarm here, when a pump reports occlusion, empty, or air in line."
        case OverInfusion():
            return (
                f"Over-infusion: an alarm here, when a pump delivers over {rule.tolerance * 100:g} % more than was due "
                f"in {rule.window_min:g} minutes."
            )
        case LowReservoir():
            return f"Reservoir nearly empty: an alarm here, below {rule.below_u:g} U."
        case LowBattery():
            return f"Battery nearly empty: an alarm here, below {rule.below_percent:g} %."


def span(seconds: float) -> str:
    """Return "12 s", "5 min", "3 h 10 min", "4 d 2 h"."""
    s = max(0, round(seconds))
    if s < 120:
        return f"{s} s"
    if s < 7200:
        return f"{s // 60} min"
    if s < 172_800:
        return f"{s // 3600} h {s % 3600 // 60} min"
    return f"{s // 86_400} d {s % 86_400 // 3600} h"


def clock(t: float) -> str:
    """Return "21 Nov, 03:12:40" by this computer's zone."""
    return datetime.fromtimestamp(t).astimezone().strftime("%-d %b, %H:%M:%S")


def size(count: int) -> str:
    """Return "3.4 MiB"."""
    return f"{count / (1 << 20):.1f} MiB"
