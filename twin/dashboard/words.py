"""Numbers and times as people read them."""

from __future__ import annotations

from datetime import datetime

_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))


def joules(value: float) -> tuple[str, str]:
    """Return the number and the unit: `("1.24", "kJ")`, `("38.2", "mJ")`."""
    if value >= 1000:
        return f"{value / 1000:.3g}", "kJ"
    for factor, prefix in _PREFIXES:
        if value >= factor:
            return f"{value / factor:.3g}", f"{prefix}J"
    return "0", "J"


def energy(value: float) -> str:
    """Return an energy in one string."""
    return " ".join(joules(value))


def data(value: float) -> tuple[str, str]:
    """Return a number of bytes and its unit, decimal prefixes."""
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= factor:
            return f"{value / factor:.3g}", unit
    return f"{value:.0f}", "bytes"


def share(part: float, whole: float) -> str:
    """Return a share in per cent, or a dash where there is no whole."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    return f"{percent:.1f} %" if percent >= 1 or not part else f"{percent:.2g} %"


def moment(at: datetime | None, now: datetime) -> str:
    """Return a UTC time, with its date unless that is today's."""
    if at is None:
        return "never"
    return f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%d %b %H:%M:%S}"
