"""Who the virtual patient is: the constants of the glucose-insulin model, one column per ensemble member."""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Parameters:
    """Constants of Hovorka et al., "Nonlinear model predictive control of glucose concentration in subjects with type 1
    diabetes", Physiol Meas 25 (2004) 905-920, tables 1 and 2. Every field is float64[n]; rates are per minute.
    """

    weight_kg: Floats
    k12: Floats  # transfer from the non-accessible to the accessible compartment
    ka1: Floats  # deactivation of insulin action on transport
    ka2: Floats  # ... on disposal
    ka3: Floats  # ... on endogenous production
    sensitivity_transport: Floats  # S_IT, 1/min per mU/L
    sensitivity_disposal: Floats  # S_ID, 1/min per mU/L
    sensitivity_production: Floats  # S_IE, 1 per mU/L
    egp0: Floats  # endogenous glucose production at zero insulin, mmol/kg/min
    f01: Floats  # insulin-independent flux, mmol/kg/min
    insulin_clearance: Floats  # k_e
    insulin_volume: Floats  # V_I, L/kg
    glucose_volume: Floats  # V_G, L/kg
    insulin_peak_min: Floats  # t_max,I, subcutaneous absorption of short-acting insulin
    gut_peak_min: Floats  # t_max,G
    bioavailability: Floats  # A_G, the part of the carbohydrate that reaches the blood
    sensor_rate: Floats  # k_a,int, plasma to interstitium (Wilinska 2010)
    # Products that every evaluation of the equations needs, made here once.
    glucose_space_l: Floats = field(init=False)
    insulin_space_l: Floats = field(init=False)
    production_mmol_per_min: Floats = field(init=False)
    uptake_mmol_per_min: Floats = field(init=False)
    insulin_rate: Floats = field(init=False)  # 1 / t_max,I
    gut_rate: Floats = field(init=False)  # 1 / t_max,G
    action_rates: Floats = field(init=False)  # float64[3, n]: ka1, ka2, ka3
    action_gains: Floats = field(init=False)  # float64[3, n]: each times its sensitivity

    def __post_init__(self) -> None:
        derived = {
            "glucose_space_l": self.glucose_volume * self.weight_kg,
            "insulin_space_l": self.insulin_volume * self.weight_kg,
            "production_mmol_per_min": self.egp0 * self.weight_kg,
            "uptake_mmol_per_min": self.f01 * self.weight_kg,
            "insulin_rate": 1.0 / self.insulin_peak_min,
            "gut_rate": 1.0 / self.gut_peak_min,
            "action_rates": np.array([self.ka1, self.ka2, self.ka3]),
        }
        sensitivities = np.array([self.sensitivity_transport, self.sensitivity_disposal, self.sensitivity_production])
        derived["action_gains"] = derived["action_rates"] * sensitivities
        for name, value in derived.items():
            object.__setattr__(self, name, value)  # frozen: this is still its making

    @property
    def members(self) -> int:
        """Number of virtual patients."""
        return self.weight_kg.size

    @classmethod
    def published(cls, weight_kg: Floats | float = 70.0) -> Parameters:
        """Return the published mean patient for each weight in kg."""
        weight = np.atleast_1d(np.asarray(weight_kg, dtype=np.float64))
        constants = {name: np.full(weight.size, value) for name, value in PUBLISHED.items()}
        return cls(weight_kg=weight, **constants)

    def drawn(self, rng: np.random.Generator, spread: float = 0.15) -> Parameters:
        """Return the same people with log-normal individual differences of relative size `spread`.

        The published between-subject spread is wider (table 2: 60 % for S_IT); combined at random it makes people
        whom no pump could keep alive, so the wards use a part of it and a forecast's ensemble a smaller part.
        """
        factors = {name: np.exp(spread * scale * rng.standard_normal(self.members)) for name, scale in SPREAD.items()}
        return replace(self, **{name: getattr(self, name) * factor for name, factor in factors.items()})

    def with_sensitivity(self, factor: Floats | float) -> Parameters:
        """Return the same people with all three insulin sensitivities `factor` times as large."""
        return replace(
            self,
            sensitivity_transport=self.sensitivity_transport * factor,
            sensitivity_disposal=self.sensitivity_disposal * factor,
            sensitivity_production=self.sensitivity_production * factor,
        )

    def repeated(self, times: int) -> Parameters:
        """Return each member `times` times in a row."""
        return Parameters(**{f.name: np.repeat(getattr(self, f.name), times) for f in _drawn_fields()})

    @classmethod
    def joined(cls, parts: list[Parameters]) -> Parameters:
        """Return the members of all `parts` side by side."""
        return cls(
            **{f.name: np.concatenate([getattr(part, f.name) for part in parts] or [[]]) for f in _drawn_fields()}
        )

    def chosen(self, index: NDArray[np.int64] | slice) -> Parameters:
        """Return the members at `index`."""
        return Parameters(**{f.name: getattr(self, f.name)[index] for f in _drawn_fields()})


PUBLISHED = {
    "k12": 0.066,
    "ka1": 0.006,
    "ka2": 0.06,
    "ka3": 0.03,
    "sensitivity_transport": 51.2e-4,
    "sensitivity_disposal": 8.2e-4,
    "sensitivity_production": 520e-4,
    "egp0": 0.0161,
    "f01": 0.0097,
    "insulin_clearance": 0.138,
    "insulin_volume": 0.12,
    "glucose_volume": 0.16,
    "insulin_peak_min": 55.0,
    "gut_peak_min": 40.0,
    "bioavailability": 0.8,
    "sensor_rate": 0.073,
}
SPREAD = {  # how widely a constant varies, relative to the others
    "k12": 0.7,
    "ka1": 0.7,
    "ka2": 0.7,
    "ka3": 0.7,
    "sensitivity_transport": 1.3,
    "sensitivity_disposal": 1.3,
    "sensitivity_production": 1.3,
    "egp0": 0.7,
    "f01": 0.7,
    "insulin_clearance": 0.5,
    "insulin_volume": 0.5,
    "glucose_volume": 0.3,
    "insulin_peak_min": 0.6,
    "gut_peak_min": 1.0,
    "sensor_rate": 0.5,
}


def _drawn_fields() -> list[Field[Any]]:
    return [f for f in fields(Parameters) if f.init]
