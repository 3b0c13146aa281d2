"""Numbers and times as people read them."""

from __future__ import annotations

from datetime import datetime

from devices.energy.words import energy, joules

__all__ = ["data", "energy", "joules", "moment", "share"]


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
