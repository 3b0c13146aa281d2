"""The forecast that pages show: the last value, plus a weighted sum of recent changes and of what the twin expects.

For every horizon there is one row of weights and one band; both were learnt from people (`training.py`) and lie in
`weights/glucose.json`. Where no pump reports, a second set is used, learnt from the same people without their pumps.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twin.forecast.inputs import HORIZONS_MIN, NAMES, has_pump, sensor_inputs, twin_changes
from twin.physiology.estimate import Observed
from twin.physiology.parameters import Floats

SHIPPED = Path(__file__).parent / "weights" / "glucose.json"
SENSOR_RANGE_MG_DL = (40.0, 400.0)  # a sensor shows nothing beyond


@dataclass(frozen=True, slots=True)
class Rows:
    """Inputs of n moments: level mg/dL float64[n], sensor mg/dL float64[n, 5], twin mg/dL float64[n, horizons]."""

    level: Floats
    sensor: Floats
    twin: Floats

    def at(self, horizon: int) -> Floats:
        """Return the inputs of one horizon beside a one for the constant, float64[n, 7]."""
        return np.column_stack([np.ones(self.level.size), self.sensor, self.twin[:, horizon]])

    def only(self, mask: NDArray[np.bool_]) -> Rows:
        """Return the moments where `mask` is true."""
        return Rows(self.level[mask], self.sensor[mask], self.twin[mask])


@dataclass(frozen=True, slots=True)
class Weights:
    """One row for each horizon: weights float64[horizons, 7], the constant first; low and high mg/dL float64[horizons].

    Nine tenths of what came lay between `low` and `high` beside the forecast, in people whom the weights had not seen.
    """

    weights: Floats
    low: Floats
    high: Floats

    def middle(self, rows: Rows) -> Floats:
        """Return the forecast, mg/dL float64[n, horizons]."""
        changes = [rows.at(index) @ weights for index, weights in enumerate(self.weights)]
        return _in_range(rows.level[:, None] + np.column_stack(changes))

    def band(self, middle: Floats) -> tuple[Floats, Floats]:
        """Return the ends of the 90 % band around a forecast."""
        return _in_range(middle + self.low), _in_range(middle + self.high)


@dataclass(frozen=True, slots=True)
class ForecastModel:
    """What is shipped: a set of weights for people with a pump, and one for a sensor alone."""

    trained_on: str
    with_pump: Weights
    sensor_alone: Weights

    def forecast(self, everyone: Sequence[Observed], seeds: Sequence[int]) -> list[Forecast]:
        """Look an hour ahead for everyone at once; each needs at least one glucose value.

        A seed for each draws the bodies that the twin simulates.
        """
        if not everyone:
            return []
        rows = rows_of(everyone, twin_changes(everyone, seeds))
        return [
            self._one(observed, rows.only(np.arange(len(everyone)) == index)) for index, observed in enumerate(everyone)
        ]

    def _one(self, observed: Observed, row: Rows) -> Forecast:
        weights = self.with_pump if has_pump(observed) else self.sensor_alone
        middle = weights.middle(row)
        low, high = weights.band(middle)
        courses = (np.concatenate([row.level, course[0]]) for course in (low, middle, high))
        return Forecast(observed.at, np.concatenate([[0.0], HORIZONS_MIN]), *courses)

    def as_json(self) -> str:
        """Return the file's text, one line for each row of numbers."""
        sets = {
            name: {field: _rounded(getattr(weights, field)) for field in Weights.__slots__}
            for name, weights in (("with_pump", self.with_pump), ("sensor_alone", self.sensor_alone))
        }
        head = {"trained_on": self.trained_on, "inputs": ["constant", *NAMES], "horizons_min": HORIZONS_MIN.tolist()}
        text = json.dumps({**head, **sets}, indent=1)
        return re.sub(r"\[[-\d.,\se]+\]", lambda row: re.sub(r"\s+", " ", row[0]), text) + "\n"


@dataclass(frozen=True, slots=True)
class Forecast:
    """The next hour from `at`, s since the Unix epoch; minutes, low, middle, high mg/dL float64[horizons + 1].

    The first point is the newest value. Low and high hold nine tenths. A forecast is never a reading.
    """

    at: float
    minutes: Floats
    low: Floats
    middle: Floats
    high: Floats


def rows_of(everyone: Sequence[Observed], twin: Floats) -> Rows:
    """Return the inputs of everyone, in order."""
    level, sensor = zip(*[sensor_inputs(observed) for observed in everyone], strict=True)
    return Rows(np.array(level), np.array(sensor), twin)


def parse(text: str) -> ForecastModel:
    """Read a model. Raises ValueError when it is for other inputs, or holds a number that cannot be."""
    values = json.loads(text)
    if values["inputs"] != ["constant", *NAMES] or values["horizons_min"] != HORIZONS_MIN.tolist():
        raise ValueError("the weights are for other inputs: train again with manage.py train_forecast")
    return ForecastModel(values["trained_on"], _weights(values["with_pump"]), _weights(values["sensor_alone"]))


@cache
def shipped() -> ForecastModel:
    """Return the model that comes with Medtwin, read once."""
    return parse(SHIPPED.read_text())


def _weights(values: dict[str, list[float]]) -> Weights:
    found = Weights(*[np.array(values[name], dtype=np.float64) for name in Weights.__slots__])
    shapes = ((HORIZONS_MIN.size, len(NAMES) + 1), HORIZONS_MIN.shape, HORIZONS_MIN.shape)
    right = (found.weights.shape, found.low.shape, found.high.shape) == shapes
    finite = right and all(np.isfinite(array).all() for array in (found.weights, found.low, found.high))
    if not finite or (found.low > 0.0).any() or (found.high < 0.0).any():
        raise ValueError("the weights hold a number that cannot be")
    return found


def _in_range(glucose: Floats) -> Floats:
    return np.clip(glucose, *SENSOR_RANGE_MG_DL)


def _rounded(values: Floats) -> list[float]:
    return np.vectorize(lambda value: float(f"{value:.4g}"))(values).tolist()  # type: ignore[no-any-return]
