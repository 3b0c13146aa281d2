"""The glucose-insulin model against its paper, against conservation of mass, and against itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.physiology.glucose import (
    MG_DL_PER_MMOL_L,
    MMOL_PER_G,
    Compartment,
    Inputs,
    derivative,
    insulin_on_board_u,
    simulate,
    steady_state,
    step,
)
from twin.physiology.parameters import Parameters
from twin.physiology.therapy import TEST_MEAL_G, titrate


@pytest.fixture
def adult():
    return Parameters.published(70.0)


def test_resting_insulin_of_the_published_patient_is_the_published_one(adult):
    """Written out from tables 1 and 2 for 70 kg: at 5 mmol/L, with insulin I, dQ1/dt = dQ2/dt = 0 says

    EGP0 (1 - S_IE I) = F01 + V_G G S_IT S_ID I^2 / (k12 + S_ID I), a quadratic in I; k_e V_I I is then infused.
    """
    q_1, k12, s_t, s_d, s_p, egp0, f01 = 0.16 * 70.0 * 5.0, 0.066, 51.2e-4, 8.2e-4, 520e-4, 0.0161 * 70.0, 0.0097 * 70.0
    made = egp0 - f01
    roots = np.roots([-q_1 * s_t * s_d - egp0 * s_p * s_d, made * s_d - egp0 * s_p * k12, made * k12])
    insulin = roots[roots > 0.0].item()
    _state, basal_u_per_h = steady_state(adult, 5.0 * MG_DL_PER_MMOL_L)
    assert basal_u_per_h[0] * 1000.0 / 60.0 == pytest.approx(0.138 * 0.12 * 70.0 * insulin, rel=1e-9)


def test_without_insulin_glucose_settles_where_kidney_and_brain_balance_the_liver(adult):
    """EGP0 - F01 = 0.003 (G - 9) V_G gives G = 22.33 mmol/L, by hand from table 1."""
    state = np.zeros((len(Compartment), 1))
    state[Compartment.ACCESSIBLE] = 5.0 * 0.16 * 70.0
    run = simulate(state, adult, [Inputs()] * 5000)
    assert run.plasma_mg_dl[-1, 0] / MG_DL_PER_MMOL_L == pytest.approx(9.0 + 0.0064 / (0.003 * 0.16), abs=0.05)


@pytest.mark.parametrize("glucose", [80.0, 110.0, 160.0, 220.0])
def test_the_steady_state_stays(adult, glucose):
    state, basal = steady_state(adult, glucose)
    assert np.abs(derivative(state, adult, basal, 1.0)).max() < 1e-9
    run = simulate(state, adult, [Inputs(basal)] * 600)
    assert run.plasma_mg_dl[:, 0] == pytest.approx(np.full(601, glucose), abs=0.01)


def test_insulin_put_under_the_skin_is_absorbed_and_nothing_else(adult):
    state = np.zeros((len(Compartment), 1))
    run = simulate(state, adult, [Inputs(bolus_u=5.0)] + [Inputs()] * 1500)
    assert insulin_on_board_u(run.states[1])[0] == pytest.approx(5.0, rel=1e-3)
    absorbed_mu = np.trapezoid(run.states[1:, Compartment.DEPOT_2, 0] / adult.insulin_peak_min[0], dx=1.0)
    assert absorbed_mu == pytest.approx(5000.0, rel=2e-3)
    cleared = np.trapezoid(run.states[1:, Compartment.PLASMA_INSULIN, 0], dx=1.0) * 0.138 * 0.12 * 70.0
    assert cleared == pytest.approx(5000.0, rel=2e-3)


def test_a_meal_reaches_the_blood_but_for_what_is_not_available(adult):
    state = np.zeros((len(Compartment), 1))
    run = simulate(state, adult, [Inputs(carbs_g=50.0)] + [Inputs()] * 1200)
    absorbed = np.trapezoid(run.states[1:, Compartment.GUT_2, 0] / adult.gut_peak_min[0], dx=1.0)
    assert absorbed == pytest.approx(50.0 * MMOL_PER_G * 0.8, rel=2e-3)


def test_the_gut_is_fullest_of_absorbed_food_at_its_peak_time(adult):
    run = simulate(np.zeros((len(Compartment), 1)), adult, [Inputs(carbs_g=50.0)] + [Inputs()] * 200)
    assert np.argmax(run.states[:, Compartment.GUT_2, 0]) == pytest.approx(40, abs=1)


@settings(max_examples=25, deadline=None)
@given(
    carbs=st.floats(0.0, 200.0),
    bolus=st.floats(0.0, 50.0),
    basal=st.floats(0.0, 10.0),
    glucose=st.floats(45.0, 400.0),
    seed=st.integers(0, 1000),
)
def test_no_compartment_ever_goes_below_zero(carbs, bolus, basal, glucose, seed):
    people = Parameters.published(np.full(4, 80.0)).drawn(np.random.default_rng(seed), spread=0.3)
    state, _ = steady_state(people, glucose)
    run = simulate(state, people, [Inputs(basal, carbs, bolus)] + [Inputs(basal)] * 100, dt_min=5.0)
    assert np.isfinite(run.states).all()
    assert run.states.min() >= -1e-9


@settings(max_examples=20, deadline=None)
@given(more=st.floats(0.5, 8.0))
def test_more_insulin_never_raises_glucose_and_more_food_never_lowers_it(more):
    adult = Parameters.published(70.0)
    state, basal = steady_state(adult, 120.0)
    plain = simulate(state, adult, [Inputs(basal)] * 180).plasma_mg_dl
    dosed = simulate(state, adult, [Inputs(basal, bolus_u=more)] + [Inputs(basal)] * 179).plasma_mg_dl
    fed = simulate(state, adult, [Inputs(basal, carbs_g=5.0 * more)] + [Inputs(basal)] * 179).plasma_mg_dl
    assert (dosed <= plain + 1e-9).all()
    assert (fed >= plain - 1e-9).all()


def test_one_minute_steps_agree_with_steps_ten_times_finer(adult):
    state, basal = steady_state(adult, 120.0)
    coarse = simulate(state, adult, [Inputs(basal, 50.0, 3.0)] + [Inputs(basal)] * 239, 1.0)
    fine = simulate(state, adult, [Inputs(basal, 50.0, 3.0)] + [Inputs(basal)] * 2399, 0.1)
    assert np.abs(coarse.plasma_mg_dl - fine.plasma_mg_dl[::10]).max() < 0.01


def test_members_do_not_disturb_each_other():
    people = Parameters.published(np.array([55.0, 90.0]))
    state, basal = steady_state(people, np.array([90.0, 180.0]))
    together = simulate(state, people, [Inputs(basal, 30.0)] * 5).states
    for member in (0, 1):
        one = people.chosen(slice(member, member + 1))
        alone = simulate(state[:, [member]], one, [Inputs(basal[[member]], 30.0)] * 5).states
        assert together[:, :, [member]] == pytest.approx(alone, rel=1e-12)


def test_a_very_large_bolus_does_not_break_the_integration(adult):
    state, basal = steady_state(adult, 150.0)
    run = simulate(state, adult, [Inputs(basal, bolus_u=300.0)] + [Inputs(basal)] * 120, dt_min=5.0)
    assert np.isfinite(run.states).all()
    assert run.plasma_mg_dl[-1, 0] >= 0.0


def test_an_unexplained_loss_never_empties_the_blood(adult):
    state, basal = steady_state(adult, 100.0)
    for _ in range(50):
        state = step(state, adult, Inputs(basal, unexplained_mmol_per_min=-1000.0))
    assert state[Compartment.ACCESSIBLE, 0] > 0.0


def test_the_clinic_finds_settings_that_bring_a_test_meal_back():
    people = Parameters.published(np.full(6, 75.0)).drawn(np.random.default_rng(3))
    found = titrate(people)
    state, basal = steady_state(people, 125.0)
    assert found.basal_u_per_h == pytest.approx(basal)
    dose = Inputs(basal, TEST_MEAL_G, TEST_MEAL_G / found.carb_ratio_g_per_u)
    run = simulate(state, people, [dose] + [Inputs(basal)] * 299)
    assert run.plasma_mg_dl.min() > 70.0
    assert np.abs(run.plasma_mg_dl[-1] - 125.0).max() < 40.0
