"""The risk of missing the next dose: a calibrated linear model served from a small file of numbers, with exact reasons.

    history -> features[16] -> standardise -> weights -> + intercept -> Platt line -> logistic -> probability
                                    |
                                    +-> contribution per factor = slope * sum of weight * (feature - mean) / scale

A column's mean is that of the training people, so that the contributions say how this person differs from the average
one, and together with the average person's log-odds they add up to the prediction. Trained on synthetic histories;
see docs/models.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from compliance.adherence.features import COLUMNS, FACTORS, NAMES, matrix
from compliance.adherence.histories import FloatArray, History

SHIPPED = Path(__file__).parent / "weights" / "next_dose.json"


class Contribution(NamedTuple):
    """How far one factor moves the log-odds away from the average person's."""

    factor: str
    log_odds: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """probability: of missing the dose. usual: the model's answer for the average person. contributions: strongest
    first.
    """

    probability: float
    usual: float
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True, slots=True)
class RiskModel:
    """A linear model with a Platt line behind it (Platt 1999).

    mean, scale, weights: float64[16], in the order of `features.COLUMNS`. slope, offset: calibrated log-odds = slope
    * raw + offset. version names the weights; trained_on says with what.
    """

    version: str
    trained_on: str
    mean: FloatArray
    scale: FloatArray
    weights: FloatArray
    intercept: float
    slope: float
    offset: float

    @property
    def base_logit(self) -> float:
        """Log-odds of the average person."""
        return self.slope * self.intercept + self.offset

    def terms(self, rows: FloatArray) -> FloatArray:
        """Return float64[n, 16]: what each column adds to the log-odds."""
        return np.asarray(self.slope * self.weights * (rows - self.mean) / self.scale)

    def probability(self, rows: FloatArray) -> FloatArray:
        """Return float64[n] for feature rows float64[n, 16]."""
        return np.asarray(_logistic(self.base_logit + self.terms(rows).sum(axis=1)))

    def predict(self, history: History) -> Prediction:
        """Judge the last dose of `history`, whose outcome is not read. Raises ValueError for an empty history."""
        if len(history) == 0:
            raise ValueError("there is no dose to judge")
        terms = self.terms(matrix(history)[-1:])[0]
        sums = dict.fromkeys(FACTORS, 0.0)
        for (_, factor), term in zip(COLUMNS, terms, strict=True):
            sums[factor] += float(term)
        contributions = sorted(
            (Contribution(factor, total) for factor, total in sums.items()), key=lambda entry: -abs(entry.log_odds)
        )
        usual = float(_logistic(np.float64(self.base_logit)))
        return Prediction(float(_logistic(self.base_logit + terms.sum())), usual, tuple(contributions))

    def as_json(self) -> str:
        """Return the file's text; six significant digits, so that it reads and compares well."""
        values = {
            "version": self.version,
            "trained_on": self.trained_on,
            "columns": list(NAMES),
            "mean": _rounded(self.mean),
            "scale": _rounded(self.scale),
            "weights": _rounded(self.weights),
            "intercept": _rounded(np.array([self.intercept]))[0],
            "slope": _rounded(np.array([self.slope]))[0],
            "offset": _rounded(np.array([self.offset]))[0],
        }
        return json.dumps(values, indent=1) + "\n"


def _logistic(x: FloatArray | np.float64) -> FloatArray | np.float64:
    return np.where(x >= 0, 1.0 / (1.0 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1.0 + np.exp(-np.abs(x))))


def _rounded(values: FloatArray) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def parse(text: str) -> RiskModel:
    """Read a model. Raises ValueError when the columns are not those of this code or a number is not finite."""
    values = json.loads(text)
    if tuple(values["columns"]) != NAMES:
        raise ValueError("the weights are for other features: train again with manage.py train_adherence")
    arrays = {name: np.array(values[name], dtype=np.float64) for name in ("mean", "scale", "weights")}
    numbers = {name: float(values[name]) for name in ("intercept", "slope", "offset")}
    finite = all(np.isfinite(array).all() and array.shape == (len(NAMES),) for array in arrays.values())
    if not finite or not np.isfinite(list(numbers.values())).all() or (arrays["scale"] <= 0).any():
        raise ValueError("the weights hold a number that cannot be")
    return RiskModel(
        version=values["version"],
        trained_on=values["trained_on"],
        mean=arrays["mean"],
        scale=arrays["scale"],
        weights=arrays["weights"],
        intercept=numbers["intercept"],
        slope=numbers["slope"],
        offset=numbers["offset"],
    )


@cache
def shipped() -> RiskModel:
    """Return the model that comes with Medtwin, read once."""
    return parse(SHIPPED.read_text())
