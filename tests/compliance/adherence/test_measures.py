"""Adherence in numbers."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.adherence.measures import DoseState, measure, runs

FIRST = date(2026, 3, 1)
TAKEN, LATE, MISSED, SKIPPED, PENDING = (
    DoseState.TAKEN,
    DoseState.LATE,
    DoseState.MISSED,
    DoseState.SKIPPED,
    DoseState.PENDING,
)


def _days(*days: list[DoseState]):
    return [(FIRST + timedelta(days=at), state) for at, states in enumerate(days) for state in states]


def test_day_is_covered_only_when_every_dose_was_taken():
    result = measure(_days([TAKEN, LATE], [TAKEN, MISSED], [MISSED, MISSED], [TAKEN, TAKEN]))
    assert result.pdc == pytest.approx(0.5)
    assert result.on_time_rate == pytest.approx(4 / 8)
    assert result.taken_rate == pytest.approx(5 / 8)


def test_cancelled_and_open_doses_count_nowhere():
    result = measure(_days([TAKEN, SKIPPED], [SKIPPED], [TAKEN, PENDING]))
    assert (result.days, result.doses, result.pdc) == (2, 2, 1.0)


def test_nothing_to_count_gives_no_rate():
    result = measure([])
    assert (result.pdc, result.on_time_rate, result.taken_rate, result.streak_days) == (None, None, None, 0)


def test_streak_is_the_row_up_to_now_and_a_pause_is_three_empty_days():
    result = measure(_days([TAKEN], [TAKEN], [TAKEN], [MISSED], [MISSED], [MISSED], [TAKEN], [TAKEN]))
    assert (result.streak_days, result.longest_streak_days, result.holidays) == (2, 3, 1)
    assert measure(_days([TAKEN], [MISSED])).streak_days == 0


@given(st.lists(st.booleans(), max_size=60))
def test_runs_account_for_every_true_value(flags):
    assert sum(runs(flags)) == sum(flags)
    assert (runs(flags)[-1] > 0) == bool(flags and flags[-1])


@given(st.lists(st.lists(st.sampled_from(list(DoseState)), max_size=4), max_size=40))
def test_rates_keep_their_order(days):
    result = measure(_days(*days))
    if result.doses:
        assert 0 <= result.on_time_rate <= result.taken_rate <= 1
        assert result.streak_days <= result.longest_streak_days <= result.days
