"""Numbers for scripts, without a locale's commas, and what became of a limit for people."""

from __future__ import annotations

from datetime import datetime

from django import template

from devices.kinds.registry import by_key
from twin.alerts.limits import Changed, Setting

register = template.Library()


@register.filter
def epoch(moment: datetime | None) -> str:
    """Return seconds since the Unix epoch, or nothing."""
    return "" if moment is None else f"{moment.timestamp():.3f}"


@register.filter
def unlocalised(value: float | None) -> str:
    """Return the number as JavaScript reads it, or nothing."""
    return "" if value is None else repr(float(value))


@register.filter
def limit_change(changed: Changed) -> str:
    """Return "Glucose below (medium): the house's, now 80 mg/dL at once"."""
    metric, side, priority = changed.key
    measurement = by_key(metric)

    def words(one: Setting | None) -> str:
        if one is None:
            return "the house's"
        held = f"for {one.delay_s:g} s" if one.delay_s else "at once"
        return f"{one.bound:g} {measurement.unit_label} {held}"

    where = "below" if side == "low" else "above"
    return f"{measurement.label} {where} ({priority}): {words(changed.before)}, now {words(changed.after)}"
