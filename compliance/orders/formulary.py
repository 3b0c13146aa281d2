"""What may be ordered here: drugs with their codes, units and hard limits, read from a table that the pharmacy owns."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from compliance.orders.units import Unit


class FormularyWrong(ValueError):
    """The table of drugs contradicts itself."""


@dataclass(frozen=True, slots=True)
class Drug:
    """One drug in one strength and form. Amounts are in `unit`; `max_daily` counts any 24 hours.

    per_piece: what one tablet or unit of a liquid holds. part: the smallest share of a piece that can be given.
    high_alert: the class of high-alert medicines it belongs to, empty for others.
    """

    key: str
    atc: str
    name: str
    strength: str
    form: str
    unit: Unit
    per_piece: float
    part: float
    max_single: float
    max_daily: float
    min_hours: float
    weight_g: float | None = None
    high_alert: str = ""

    @property
    def label(self) -> str:
        """Name, strength and form."""
        return f"{self.name} {self.strength}, {self.form}"


@cache
def formulary() -> Mapping[str, Drug]:
    """Return the house's drugs by key."""
    text = files("compliance.orders").joinpath("formulary.toml").read_text(encoding="utf-8")
    return read_formulary(tomllib.loads(text)["drug"])


def read_formulary(rows: Iterable[Mapping[str, Any]]) -> dict[str, Drug]:
    """Return drugs by key. Raises FormularyWrong when rows contradict themselves or each other."""
    drugs: dict[str, Drug] = {}
    units: dict[str, Unit] = {}
    for row in rows:
        drug = Drug(**{**row, "unit": Unit(row["unit"])})
        if drug.key in drugs:
            raise FormularyWrong(f"{drug.key} stands twice")
        if not 0 < drug.max_single <= drug.max_daily or min(drug.per_piece, drug.part, drug.min_hours) <= 0:
            raise FormularyWrong(f"{drug.key}: limits must be positive, and a single dose within a day's")
        if units.setdefault(drug.atc, drug.unit) is not drug.unit:
            raise FormularyWrong(f"{drug.key}: one substance is dosed in one unit, or its doses cannot be added up")
        drugs[drug.key] = drug
    return drugs
