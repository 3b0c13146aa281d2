"""The shipped forecast: its file, its two sets of weights, and what it says in plain cases."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.twin.forecast.test_inputs import NOW, observed, ramp
from twin.forecast.inputs import HORIZONS_MIN, NAMES
from twin.forecast.model import SHIPPED, ForecastModel, Rows, Weights, parse, shipped


def forecast(seen):
    return shipped().forecast([seen], [7])[0]


def test_the_file_is_what_the_model_writes():
    assert shipped().as_json() == SHIPPED.read_text()
    assert SHIPPED.stat().st_size < 6000


@pytest.mark.parametrize(
    "spoil",
    [
        lambda v: v["inputs"].pop(),
        lambda v: v["horizons_min"].pop(),
        lambda v: v["with_pump"]["weights"].pop(),
        lambda v: v["with_pump"]["low"].__setitem__(0, 1.0),
        lambda v: v["sensor_alone"]["high"].__setitem__(3, -1.0),
        lambda v: v["sensor_alone"]["weights"][2].__setitem__(1, float("nan")),
    ],
)
def test_weights_that_cannot_be_are_refused(spoil):
    values = json.loads(SHIPPED.read_text())
    spoil(values)
    with pytest.raises(ValueError, match="weights"):
        parse(json.dumps(values))


def test_a_forecast_starts_at_the_newest_value_and_widens():
    made = forecast(observed(ramp))
    assert made.at == NOW
    assert made.minutes.tolist() == [0.0, *HORIZONS_MIN.tolist()]
    assert made.low[0] == made.middle[0] == made.high[0] == 150.0
    assert (np.diff(made.high - made.low) > 0.0).all()


def test_a_trend_goes_on_but_not_as_far_as_a_straight_line():
    made = forecast(observed(ramp))
    ahead = made.middle[6] - 150.0
    assert 5.0 < ahead < 0.9 * 36.0


def test_a_forecast_stays_where_a_sensor_can_show_it():
    high, low = (forecast(observed(lambda m, v=v: np.full_like(m, v))) for v in (398.0, 42.0))
    assert high.high.max() <= 400.0
    assert low.low.min() >= 40.0


def test_the_forecast_is_the_sum_that_the_documents_say():
    size = (HORIZONS_MIN.size, len(NAMES) + 1)
    weights = Weights(np.tile(np.arange(1.0, size[1] + 1), (size[0], 1)), np.full(12, -5.0), np.full(12, 8.0))
    rows = Rows(np.array([100.0]), np.array([[0.5, 1.0, 0.0, -1.0, 0.0]]), np.full((1, 12), 2.0))
    middle = weights.middle(rows)
    assert middle[0] == pytest.approx(np.full(12, 100.0 + 1 + 2 * 0.5 + 3 - 5 + 7 * 2.0))
    assert [end[0, 0] for end in weights.band(middle)] == pytest.approx([middle[0, 0] - 5.0, middle[0, 0] + 8.0])


def test_each_is_judged_with_the_weights_of_what_they_wear():
    zero = np.zeros((HORIZONS_MIN.size, len(NAMES) + 1))
    marked = [Weights(zero, np.full(12, -width), np.full(12, width)) for width in (1.0, 2.0)]
    model = ForecastModel("", with_pump=marked[0], sensor_alone=marked[1])
    worn, alone = model.forecast([observed(ramp), observed(ramp, basal=0.0)], [1, 2])
    assert worn.high[1] - worn.middle[1] == 1.0
    assert alone.high[1] - alone.middle[1] == 2.0


def test_the_twin_moves_the_forecast_of_a_person_with_a_pump():
    plain = observed(lambda m: np.full_like(m, 180.0))
    dosed = replace(plain, bolus_t=np.array([NOW - 5400.0]), bolus_u=np.array([8.0]))
    assert forecast(dosed).middle[-1] < forecast(plain).middle[-1] - 1.0


def test_nobody_is_forecast_when_nobody_is_there():
    assert shipped().forecast([], []) == []
