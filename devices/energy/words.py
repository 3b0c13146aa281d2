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
