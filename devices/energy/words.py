"""Energies as people read them."""

from __future__ import annotations

_PREFIXES = ((1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))


def joules(value: float) -> tuple[str, str]:
    """Return three digits and the unit: `("1.24", "kJ")`, `("38.2", "mJ")`."""
    for factor, prefix in _PREFIXES:
        if value >= factor:
            return f"{value / factor:.3g}" if value < 999.5 * factor else f"{value / factor:,.0f}", f"{prefix}J"
    return "0", "J"


def energy(value: float) -> str:
    """Return an energy in one string."""
    return " ".join(joules(value))


_SPANS = ((365.25 * 86_400, "year"), (86_400.0, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second"))


def duration(seconds: float) -> str:
    """Return a time as people say it, with two digits where that helps: "9.5 days", "40 minutes"."""
    if seconds > 100 * _SPANS[0][0]:
        return "more than 100 years"
    for span_s, name in _SPANS:
        if seconds >= 1.5 * span_s or span_s == 1.0:
            count = seconds / span_s
            shown = f"{count:.1f}".removesuffix(".0") if count < 9.95 else f"{count:,.0f}"
            return f"{shown} {name}{'' if shown == '1' else 's'}"
    raise AssertionError("seconds are the last of the spans")
