"""The laws that make merging safe in any order, and the in-place merge against them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from devices.telemetry import READING
from twin.state import BOTTOM, TwinStates, join, state_of

# Few devices, metrics, times and numbers, so that collisions are the rule.
rows = st.tuples(
    st.integers(1, 3) | st.just(2**32 - 1),
    st.sampled_from([1, 2, 2**32 - 1]),
    st.integers(0, 4) | st.just(2**63 - 1),
    st.sampled_from([-1.0, 0.0, 1.0, 1.7e9]),
    st.sampled_from([0.0, 1.0, 2.0]),
)
readings = st.lists(rows, max_size=20).map(lambda found: np.array(found, READING))


@given(readings, readings)
def test_join_is_commutative(a, b):
    assert np.array_equal(join(state_of(a), state_of(b)), join(state_of(b), state_of(a)))


@given(readings, readings, readings)
def test_join_is_associative(a, b, c):
    one, two, three = state_of(a), state_of(b), state_of(c)
    assert np.array_equal(join(join(one, two), three), join(one, join(two, three)))


@given(readings)
def test_join_is_idempotent_and_has_a_bottom(a):
    state = state_of(a)
    assert np.array_equal(join(state, state), state)
    assert np.array_equal(join(state, BOTTOM), state)


@given(readings, st.randoms())
def test_the_state_does_not_depend_on_the_order_of_readings(a, random):
    shuffled = list(range(len(a)))
    random.shuffle(shuffled)
    assert np.array_equal(state_of(a), state_of(a[shuffled]))


@given(st.lists(readings, max_size=6))
def test_merging_in_place_is_the_same_join(groups):
    twins = TwinStates()
    expected = BOTTOM
    for group in groups:
        twins.merge(group)
        expected = join(expected, state_of(group))
    assert np.array_equal(twins.state, expected)


@given(readings, readings)
def test_only_what_changes_the_state_counts_as_advanced(first, second):
    twins = TwinStates()
    twins.merge(first)
    before = twins.state
    advanced = twins.merge(second)
    assert np.array_equal(join(before, state_of(second[advanced])), twins.state)
    assert len(twins.state) == len(before) if not advanced.any() else advanced.sum() <= len(twins)
    assert not twins.merge(second).any()
    assert np.array_equal(twins.state, join(before, state_of(second)))


@given(readings)
def test_late_data_never_replaces_the_latest(group):
    twins = TwinStates()
    twins.merge(group)
    before = twins.state
    late = before.copy()
    late["t"] -= 10
    late["value"] += 1
    assert not twins.merge(late).any()
    assert np.array_equal(twins.state, before)


def test_the_newest_time_wins_over_a_higher_sequence():
    state = state_of(np.array([(1, 1, 9, 10.0, 1.0), (1, 1, 3, 20.0, 2.0)], READING))
    assert state["value"].tolist() == [2.0]


def test_ten_thousand_twins_fit_in_a_few_megabytes():
    twins = TwinStates()
    device, metric = np.divmod(np.arange(100_000), 10)
    group = np.zeros(100_000, READING)
    group["device"], group["metric"], group["seq"] = device, metric, 1
    assert twins.merge(group).all()
    assert twins.state.nbytes < 8_000_000
