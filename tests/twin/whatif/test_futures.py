"""Futures of one present: bands that agree with what was measured, and changes that act as they must."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.physiology.estimate import Observed, estimate
from twin.physiology.glucose import Inputs, simulate, steady_state
from twin.physiology.parameters import Parameters
from twin.whatif.futures import PERCENTILES, differences, run
from twin.whatif.scenario import AS_NOW, KNOBS, Scenario, ScenarioRefused, scenario_from

NOW = 1_790_157_600.0
MIDDLE = PERCENTILES.index(50)


def observed(glucose=lambda minutes: np.full_like(minutes, 130.0), boluses=(), basal=0.9):
    minutes = np.arange(-300.0, 0.1, 5.0)
    none = np.zeros(0)
    return Observed(
        at=NOW,
        weight_kg=75.0,
        glucose_t=NOW + minutes * 60.0,
        glucose_mg_dl=glucose(minutes),
        bolus_t=np.array([NOW + at * 60.0 for at, _ in boluses]),
        bolus_u=np.array([units for _, units in boluses]),
        basal_t=np.array([NOW - 18_000.0]) if basal else none,
        basal_u_per_h=np.array([basal]) if basal else none,
        carbs_t=none,
        carbs_g=none,
    )


def test_the_futures_begin_where_the_sensor_is():
    for level in (60.0, 110.0, 240.0):
        band = run(observed(lambda m, level=level: np.full_like(m, level)), [AS_NOW])[0].band
        assert band.minutes[0] == 0.0
        assert band.mg_dl[MIDDLE, 0] == pytest.approx(level, rel=0.03)


def test_a_resting_person_stays_near_where_they_are():
    band = run(observed(lambda m: np.full_like(m, 125.0)), [AS_NOW], horizon_min=60)[0].band
    assert band.mg_dl[MIDDLE, -1] == pytest.approx(125.0, abs=15.0)


def test_a_trend_goes_on_for_a_while():
    rising = run(observed(lambda m: 130.0 + np.maximum(m + 30.0, 0.0) * 1.5), [AS_NOW])[0].band.mg_dl[MIDDLE]
    falling = run(observed(lambda m: 190.0 - np.maximum(m + 30.0, 0.0) * 1.5), [AS_NOW])[0].band.mg_dl[MIDDLE]
    assert rising[8] > rising[0] + 8.0
    assert falling[8] < falling[0] - 8.0


def test_bands_are_ordered_and_widen():
    band = run(observed(), [AS_NOW])[0].band.mg_dl
    assert (np.diff(band, axis=0) >= 0.0).all()
    width = band[-1] - band[0]
    assert width[24] > 2.0 * width[0]


def test_the_same_present_gives_the_same_picture():
    first, second = (run(observed(), [AS_NOW], seed=4)[0].band.mg_dl for _ in range(2))
    assert (first == second).all()


def test_a_change_of_nothing_changes_nothing():
    now, changed = run(observed(), [AS_NOW, Scenario(carbs_at_min=30.0, bolus_at_min=60.0)])
    assert (now.band.mg_dl == changed.band.mg_dl).all()
    assert differences(now, changed) == []


@pytest.mark.parametrize(
    ("change", "sign"),
    [
        (Scenario(carbs_g=40.0), 1.0),
        (Scenario(bolus_u=3.0), -1.0),
        (Scenario(basal_percent=0.0), 1.0),
        (Scenario(basal_percent=200.0), -1.0),
    ],
)
def test_food_raises_and_insulin_lowers_every_member(change, sign):
    now, changed = run(observed(), [AS_NOW, change])
    shift = sign * (changed.band.mg_dl - now.band.mg_dl)
    assert shift.min() >= -1e-9
    assert shift[:, -1].min() > 5.0


def test_nothing_happens_before_its_time():
    now, later = run(observed(), [AS_NOW, Scenario(carbs_g=50.0, carbs_at_min=90.0, bolus_u=4.0, bolus_at_min=60.0)])
    apart = np.abs(now.band.mg_dl - later.band.mg_dl).max(axis=0)
    assert apart[now.band.minutes <= 60.0].max() == 0.0
    assert apart[-1] > 5.0


def test_insulin_given_before_is_on_board():
    plain = run(observed(), [AS_NOW])[0].insulin_on_board_u
    dosed = run(observed(boluses=[(-30.0, 6.0)]), [AS_NOW])[0].insulin_on_board_u
    assert plain < 3.0
    assert 4.0 < dosed - plain < 6.0


def test_the_band_holds_the_true_course_of_a_known_body():
    """Bodies of the model itself, observed through a sensor with noise: nine tenths must lie inside nine tenths."""
    inside = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        body = Parameters.published(75.0).drawn(rng, 0.12)
        state, basal = steady_state(body, 125.0)
        meal_at = int(rng.integers(0, 60))
        inputs = [Inputs(basal, 45.0 if k == meal_at else 0.0, 2.0 if k == meal_at else 0.0) for k in range(84)]
        course = simulate(state, body, inputs, 5.0).sensor_mg_dl[:, 0]
        noisy = course[:61] + rng.normal(0.0, 3.0, 61)
        seen = observed(lambda m, y=noisy: y, [(meal_at * 5.0 - 300.0, 2.0)], float(basal[0]))
        band = run(seen, [AS_NOW], seed=seed, horizon_min=60)[0].band.mg_dl
        inside += [band[0, k * 2] <= course[60 + k] <= band[-1, k * 2] for k in (3, 6, 9, 12)]
    assert np.mean(inside) > 0.85


def test_without_a_pump_a_future_is_still_possible():
    future = run(observed(basal=0.0), [AS_NOW])[0]
    assert np.isfinite(future.band.mg_dl).all()


def test_one_single_reading_is_enough_to_start():
    seen = observed()
    alone = Observed(NOW, 75.0, seen.glucose_t[-1:], seen.glucose_mg_dl[-1:], *[np.zeros(0)] * 6)
    assert np.isfinite(estimate(alone, 10, np.random.default_rng(0)).state).all()


def test_differences_are_said_in_words():
    now, changed = run(observed(lambda m: np.full_like(m, 95.0)), [AS_NOW, Scenario(bolus_u=4.0)])
    words = differences(now, changed)
    assert any(sentence.endswith("more minutes below 70") for sentence in words)
    assert any("the chance of going below 70 rises" in sentence for sentence in words)
    assert differences(changed, now)[0].split()[1] == "fewer"


def test_minutes_add_up_to_the_horizon():
    future = run(observed(lambda m: np.full_like(m, 260.0)), [Scenario(carbs_g=120.0, basal_percent=0.0)])[0]
    assert future.minutes_above_180 == pytest.approx(240.0, abs=5.0)
    assert future.minutes_below_70 == 0.0


@pytest.mark.parametrize("knob", KNOBS, ids=lambda knob: knob.name)
def test_a_scenario_outside_its_limits_is_refused(knob):
    for value in (knob.low - knob.step, knob.high + knob.step, float("nan"), float("inf")):
        with pytest.raises(ScenarioRefused, match=knob.label):
            Scenario(**{knob.name: value})
    assert getattr(Scenario(**{knob.name: knob.high}), knob.name) == knob.high


@given(
    st.dictionaries(st.text(max_size=12), st.none() | st.booleans() | st.floats() | st.text() | st.lists(st.integers()))
)
def test_any_object_is_a_scenario_or_is_refused(described):
    try:
        scenario = scenario_from(described)
    except ScenarioRefused:
        return
    assert set(described) <= {knob.name for knob in KNOBS}
    assert isinstance(scenario, Scenario)


def test_scenarios_have_words():
    assert AS_NOW.words == "as now"
    assert Scenario(carbs_g=20, bolus_u=1.5, bolus_at_min=15, basal_percent=0).words == (
        "20 g carbohydrate now, 1.5 U bolus in 15 min, basal stopped"
    )
