"""The replay window against a plain set of everything accepted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import FrameReplayed
from devices.protocol.replay import WINDOW, ReplayWindow

near = st.integers(0, 3 * WINDOW)


@given(st.lists(near, max_size=80))
def test_window_agrees_with_a_set_of_all_counters(counters: list[int]) -> None:
    window, seen = ReplayWindow(), set[int]()
    for counter in counters:
        new = counter > 0 and counter not in seen and counter > max(seen, default=0) - WINDOW
        assert window.admits(counter) is new
        if new:
            window = window.accept(counter)
            seen.add(counter)
    assert window.high == max(seen, default=0)


@given(st.lists(st.integers(1, 2**63 - 1), max_size=20))
def test_a_counter_is_never_accepted_twice(counters: list[int]) -> None:
    window = ReplayWindow()
    for counter in counters:
        if window.admits(counter):
            window = window.accept(counter)
        with pytest.raises(FrameReplayed):
            window.accept(counter)


@given(st.lists(near, max_size=40))
def test_window_fits_two_signed_columns_and_comes_back(counters: list[int]) -> None:
    window = ReplayWindow()
    for counter in counters:
        window = window.accept(counter) if window.admits(counter) else window
    high, bitmap = window
    assert 0 <= high < 2**63
    assert 0 <= bitmap < 2**63
    assert ReplayWindow(high, bitmap) == window


def test_counter_just_behind_the_window_is_refused() -> None:
    window = ReplayWindow().accept(WINDOW + 1)
    assert not window.admits(1)
    assert window.admits(2)
