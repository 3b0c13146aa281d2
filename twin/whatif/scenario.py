"""What somebody wants to try: meals, boluses and another basal rate, within limits that a ward would recognise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from twin.errors import TwinError

HORIZON_MIN = 240


class ScenarioRefused(TwinError):
    """The scenario lies outside what may be tried."""

    code = "scenario_refused"


@dataclass(frozen=True, slots=True)
class Knob:
    """One number that may be changed, with its limits, step and unit; `usual` changes nothing."""

    name: str
    label: str
    unit: str
    low: float
    high: float
    step: float
    usual: float


KNOBS = (
    Knob("carbs_g", "Meal", "g carbohydrate", 0, 120, 5, 0),
    Knob("carbs_at_min", "Meal in", "min", 0, 180, 5, 0),
    Knob("bolus_u", "Bolus", "U", 0, 15, 0.5, 0),
    Knob("bolus_at_min", "Bolus in", "min", 0, 180, 5, 0),
    Knob("basal_percent", "Basal rate", "% of now", 0, 250, 10, 100),
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One possible future. All usual values together are "as now": the pump goes on, nobody eats."""

    carbs_g: float = 0.0
    carbs_at_min: float = 0.0
    bolus_u: float = 0.0
    bolus_at_min: float = 0.0
    basal_percent: float = 100.0

    def __post_init__(self) -> None:
        for knob in KNOBS:
            value = getattr(self, knob.name)
            if not (math.isfinite(value) and knob.low <= value <= knob.high):
                raise ScenarioRefused(f"{knob.label} must be from {knob.low:g} to {knob.high:g} {knob.unit}.")

    @property
    def changes_nothing(self) -> bool:
        """Tell whether this is the future as it would come anyway."""
        return not self.carbs_g and not self.bolus_u and self.basal_percent == 100.0

    @property
    def words(self) -> str:
        """The scenario in words."""
        parts = []
        if self.carbs_g:
            parts.append(f"{self.carbs_g:g} g carbohydrate {_when(self.carbs_at_min)}")
        if self.bolus_u:
            parts.append(f"{self.bolus_u:g} U bolus {_when(self.bolus_at_min)}")
        if self.basal_percent != 100.0:
            parts.append("basal stopped" if not self.basal_percent else f"basal at {self.basal_percent:g} %")
        return ", ".join(parts) or "as now"


AS_NOW = Scenario()


def scenario_from(described: Mapping[str, object]) -> Scenario:
    """Read a scenario from decoded JSON. Raises ScenarioRefused for unknown names and for what is no number."""
    known = {knob.name for knob in KNOBS}
    if unknown := set(described) - known:
        named = ", ".join(sorted(map(ascii, unknown)))[:80]  # escaped: JSON can name half a character
        raise ScenarioRefused(f"Nothing here is called {named}.")
    values: dict[str, float] = {}
    for name, value in described.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ScenarioRefused(f"{name} must be a number.")
        try:
            values[name] = float(value)
        except OverflowError as error:  # JSON's whole numbers have no limit
            raise ScenarioRefused(f"{name} is far too large.") from error
    return Scenario(**values)


def _when(minutes: float) -> str:
    return "now" if not minutes else f"in {minutes:g} min"
