"""Units of doses, coded as in UCUM, with the words that pages show."""

from __future__ import annotations

from enum import StrEnum


class Unit(StrEnum):
    """A unit in which a drug is dosed; the value is its UCUM code."""

    MG = "mg"
    MICROGRAM = "ug"
    GRAM = "g"
    MMOL = "mmol"
    IU = "[iU]"

    @property
    def label(self) -> str:
        """The unit in words that cannot be misread: "U" and "µg" have been taken for zeros and milligrams (ISMP)."""
        return {"[iU]": "units", "ug": "mcg"}.get(self.value, self.value)


def amount_words(amount: float, unit: str) -> str:
    """Return "12 units" or "0.5 mg": a leading zero always, a trailing one never (ISMP error-prone list)."""
    return f"{amount:,.10g} {Unit(unit).label}"
