"""How the forecast's weights are learnt, and how well they do for people they have not seen.

Weights are least squares, with nothing to choose. People are split, never moments: `held_out` forecasts each person
with weights and bands from other people only, and the bands themselves come from a second split among those.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twin.forecast.azt1d import Wearer, moments
from twin.forecast.inputs import HORIZONS_MIN, has_pump, twin_changes
from twin.forecast.model import ForecastModel, Rows, Weights, rows_of
from twin.physiology.estimate import Observed
from twin.physiology.parameters import Floats

EACH = 300  # moments for each person
SEED = 20_240_515
FOLDS = 5
BAND = (0.05, 0.95)


@dataclass(frozen=True, slots=True)
class Moments:
    """n moments: person int64[n], pump bool[n], truth mg/dL float64[n, horizons]; the same rows without pump too."""

    person: NDArray[np.int64]
    pump: NDArray[np.bool_]
    rows: Rows
    rows_alone: Rows
    truth: Floats

    def only(self, mask: NDArray[np.bool_]) -> Moments:
        """Return the moments where `mask` is true."""
        rows, alone = self.rows.only(mask), self.rows_alone.only(mask)
        return Moments(self.person[mask], self.pump[mask], rows, alone, self.truth[mask])


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Forecasts of people whom the weights had not seen, mg/dL float64[n, horizons], in the order of the moments."""

    low: Floats
    middle: Floats
    high: Floats


def gather(wearers: Sequence[Wearer], each: int = EACH, seed: int = SEED) -> Moments:
    """Draw `each` moments of every person and simulate their twins, with and without what the pump told."""
    rng = np.random.default_rng(seed)
    drawn = [moments(wearer, each, rng) for wearer in wearers]
    everyone = [observed for known, _truth in drawn for observed in known]
    seeds = range(len(everyone))
    alone = [_without_pump(observed) for observed in everyone]
    return Moments(
        person=np.repeat([wearer.subject for wearer in wearers], [len(known) for known, _truth in drawn]),
        pump=np.array([has_pump(observed) for observed in everyone]),
        rows=rows_of(everyone, twin_changes(everyone, seeds)),
        rows_alone=rows_of(alone, twin_changes(alone, seeds)),
        truth=np.concatenate([truth for _known, truth in drawn]),
    )


def train(data: Moments, trained_on: str) -> ForecastModel:
    """Learn from everybody. The bands are what weights of other people left unexplained in each person."""
    pump = data.only(data.pump)
    return ForecastModel(
        trained_on,
        with_pump=_fit(pump.person, pump.rows, pump.truth),
        sensor_alone=_fit(data.person, data.rows_alone, data.truth),
    )


def held_out(data: Moments) -> HeldOut:
    """Forecast everybody as they would be served, by weights and bands learnt from other people."""
    low, middle, high = (np.empty_like(data.truth) for _ in range(3))
    for unseen in _folds(data.person):
        model = train(data.only(~unseen), "")
        for weights, rows, chosen in (
            (model.with_pump, data.rows, unseen & data.pump),
            (model.sensor_alone, data.rows_alone, unseen & ~data.pump),
        ):
            middle[chosen] = weights.middle(rows.only(chosen))
            low[chosen], high[chosen] = weights.band(middle[chosen])
    return HeldOut(low, middle, high)


def _fit(person: NDArray[np.int64], rows: Rows, truth: Floats) -> Weights:
    """Return weights from all moments, and bands from a split of the people among them."""
    left = np.empty_like(truth)
    for unseen in _folds(person):
        left[unseen] = truth[unseen] - _least_squares(rows.only(~unseen), truth[~unseen]).middle(rows.only(unseen))
    return replace(_least_squares(rows, truth), low=np.quantile(left, BAND[0], 0), high=np.quantile(left, BAND[1], 0))


def _least_squares(rows: Rows, truth: Floats) -> Weights:
    changes = truth - rows.level[:, None]
    weights = [_solved(rows.at(index), changes[:, index]) for index in range(HORIZONS_MIN.size)]
    return Weights(np.array(weights), np.zeros(HORIZONS_MIN.size), np.zeros(HORIZONS_MIN.size))


def _solved(inputs: Floats, change: Floats) -> Floats:
    """Return the weights of one horizon. The twin may count for nothing, but not against what it says."""
    weights = np.linalg.lstsq(inputs, change, rcond=None)[0]
    if weights[-1] < 0.0:
        weights = np.append(np.linalg.lstsq(inputs[:, :-1], change, rcond=None)[0], 0.0)
    return np.asarray(weights)


def _folds(person: NDArray[np.int64]) -> Iterator[NDArray[np.bool_]]:
    """Yield, for each fold of people, which moments are theirs."""
    people = np.random.default_rng(SEED).permutation(np.unique(person))
    for fold in range(FOLDS):
        yield np.isin(person, people[fold::FOLDS])


def _without_pump(observed: Observed) -> Observed:
    none = np.zeros(0)
    return replace(observed, bolus_t=none, bolus_u=none, basal_t=none, basal_u_per_h=none)
