"""Numbers for scripts: seconds since the Unix epoch, and values without a locale's commas."""

from __future__ import annotations

from datetime import datetime

from django import template

register = template.Library()


@register.filter
def epoch(moment: datetime | None) -> str:
    """Return seconds since the Unix epoch, or nothing."""
    return "" if moment is None else f"{moment.timestamp():.3f}"


@register.filter
def unlocalised(value: float | None) -> str:
    """Return the number as JavaScript reads it, or nothing."""
    return "" if value is None else repr(float(value))
