"""Reported, desired and predicted sides of a metric."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twin.state import Aspects, Desired, Predicted, Reported

small = st.integers(0, 3).map(float)
aspects = st.builds(
    Aspects,
    st.none() | st.builds(Reported, small, st.integers(0, 3), small, small),
    st.none() | st.builds(Desired, small, st.integers(0, 3), small),
    st.none() | st.builds(Predicted, small, small, small, small, small),
)


@given(aspects, aspects, aspects)
def test_joining_aspects_obeys_the_laws(a, b, c):
    assert a.join(b) == b.join(a)
    assert a.join(b).join(c) == a.join(b.join(c))
    assert a.join(a) == a
    assert a.join(Aspects()) == a


def test_a_report_from_before_the_order_does_not_reconcile_it():
    order = Desired(t=100.0, order=1, value=1.2)
    assert not Aspects(Reported(99.0, 1, 1.2, 99.1), order).reconciled(0.01)
    assert Aspects(Reported(101.0, 2, 1.2, 101.1), order).reconciled(0.01)
    assert not Aspects(Reported(101.0, 2, 1.0, 101.1), order).reconciled(0.01)
    assert not Aspects(None, order).reconciled(0.01)
    assert Aspects(None, None).reconciled(0.0)


def test_surprise_is_the_distance_to_the_predicted_band():
    band = Predicted(0.0, 60.0, 100.0, 90.0, 110.0)
    assert Aspects(Reported(1.0, 1, 100.0, 1.0), predicted=band).surprise() == 0.0
    assert Aspects(Reported(1.0, 1, 120.0, 1.0), predicted=band).surprise() == 10.0
    assert Aspects(Reported(1.0, 1, 85.0, 1.0), predicted=band).surprise() == 5.0
    assert Aspects(predicted=band).surprise() == 0.0
