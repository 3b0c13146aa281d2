"""What a forecast looks at: the same numbers from any sensor, and no trend where none is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twin.forecast.inputs import NAMES, USUAL_MG_DL, has_pump, sensor_inputs, twin_changes
from twin.physiology.estimate import Observed

NOW = 1_790_157_600.0
NONE = np.zeros(0)


def observed(glucose, every_s=300.0, hours=5.0, basal=0.9):
    t = np.arange(NOW - hours * 3600.0, NOW + 1.0, every_s)
    rates = (np.array([NOW - 18_000.0]), np.array([basal])) if basal else (NONE, NONE)
    return Observed(NOW, 75.0, t, glucose((t - NOW) / 60.0), NONE, NONE, *rates, NONE, NONE)


def ramp(minutes):
    return 150.0 + 1.2 * minutes


def test_a_straight_line_is_seen_as_its_slope_times_the_span():
    level, inputs = sensor_inputs(observed(ramp))
    assert level == 150.0
    assert inputs == pytest.approx([150.0 - USUAL_MG_DL, 6.0, 12.0, 18.0, 36.0])
    assert inputs.size + 1 == len(NAMES)


def test_a_sensor_that_reports_every_20_s_shows_the_same_as_one_every_5_min():
    slow, fast = (sensor_inputs(observed(ramp, every))[1] for every in (300.0, 20.0))
    assert fast == pytest.approx(slow, abs=1.0)


def test_noise_of_a_fast_sensor_is_averaged():
    noise = np.random.default_rng(0).normal(0.0, 4.0, 901)
    changes = sensor_inputs(observed(lambda m: 150.0 + noise, 20.0))[1][1:]
    assert np.abs(changes).max() < 6.0


def test_a_missed_reading_is_bridged_and_a_long_gap_is_no_change():
    whole = observed(ramp)
    for lost_min, expected in (((4.0, 6.0), [6.0, 12.0, 18.0, 36.0]), ((4.0, 58.0), [0.0, 0.0, 0.0, 72.0])):
        age = (NOW - whole.glucose_t) / 60.0
        kept = (age < lost_min[0]) | (age > lost_min[1])
        broken = replace(whole, glucose_t=whole.glucose_t[kept], glucose_mg_dl=whole.glucose_mg_dl[kept])
        assert sensor_inputs(broken)[1][1:] == pytest.approx(expected)


def test_one_reading_alone_has_no_trend():
    alone = observed(ramp, hours=0.0)
    assert alone.glucose_t.size == 1
    assert sensor_inputs(alone)[1][1:].tolist() == [0.0] * 4


def test_a_jump_that_no_body_makes_counts_as_the_fastest_that_one_does():
    jumped = observed(lambda m: np.where(m < -2.0, 100.0, 220.0))
    assert sensor_inputs(jumped)[1][1] == 15.0


def test_the_twin_sees_a_bolus_and_forecasts_side_by_side_are_those_of_each_alone():
    plain = observed(lambda m: np.full_like(m, 160.0))
    dosed = replace(plain, bolus_t=np.array([NOW - 5400.0]), bolus_u=np.array([6.0]))
    together = twin_changes([plain, dosed], [1, 2])
    assert together[1, -1] < together[0, -1] - 5.0
    for index, (seen, seed) in enumerate(((plain, 1), (dosed, 2))):
        assert twin_changes([seen], [seed])[0] == pytest.approx(together[index], abs=1e-6)


def test_a_pump_is_known_by_its_basal_rate():
    assert has_pump(observed(ramp))
    assert not has_pump(observed(ramp, basal=0.0))
