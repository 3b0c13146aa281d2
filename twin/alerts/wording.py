"""Sentences of alerts: plain, short, with value, unit and the bound that was crossed."""

from __future__ import annotations

from twin.alerts.limits import Limit, Side

_BEYOND = {Side.LOW: "below", Side.HIGH: "above"}


def describe(limit: Limit, value: float, unit: str, decimals: int) -> str:
    """Return what to tell people, such as "Glucose 48 mg/dL, below 54"."""
    if limit.side is Side.EQUAL:
        return limit.text
    return f"{limit.text} {value:.{decimals}f} {unit}, {_BEYOND[limit.side]} {limit.bound:g}".replace("  ", " ")
