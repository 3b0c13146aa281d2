"""Device clocks that are off, drift, are set and stay silent, against what the gateway makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.gateway.clock import MOST_PPM, Clocks, DeviceClock

T0 = 1_800_000_000.0


def listen(
    clock: DeviceClock,
    *,
    minutes: float,
    ahead_s: float = 0.0,
    ppm: float = 0.0,
    begin: float = T0,
    every_s: float = 20.0,
    seed: int = 1,
    jitter_s: float = 0.3,
) -> float:
    """Let a device with that clock speak for some minutes; return when it ended."""
    rng = np.random.default_rng(seed)
    for made in np.arange(begin, begin + minutes * 60.0, every_s):
        device_t = made + ahead_s + ppm * 1e-6 * (made - T0)
        clock.note(device_t, made + rng.exponential(jitter_s))
    return begin + minutes * 60.0


@settings(max_examples=25, deadline=None)
@given(ahead_s=st.floats(-7200, 7200), ppm=st.floats(-200, 200), seed=st.integers(0, 50))
def test_offset_and_drift_of_a_steady_clock_are_found(ahead_s: float, ppm: float, seed: int) -> None:
    clock = DeviceClock()
    end = listen(clock, minutes=180, ahead_s=ahead_s, ppm=ppm, seed=seed)
    found = clock.estimate()
    assert found is not None
    assert found.drift_ppm == pytest.approx(ppm, abs=15)
    assert found.ahead_s == pytest.approx(ahead_s + ppm * 1e-6 * (end - T0), abs=0.3)
    assert found.steps == 0


def test_first_reading_gives_an_offset_and_no_drift() -> None:
    clock = DeviceClock()
    assert clock.estimate() is None
    clock.note(T0 + 90.0, T0)
    found = clock.estimate()
    assert found is not None
    assert (found.ahead_s, found.drift_ppm) == (90.0, None)
    assert found.words == "90 s ahead"


def test_clock_that_is_set_is_followed_within_minutes_and_counted() -> None:
    clock = DeviceClock()
    end = listen(clock, minutes=60, ahead_s=-3600)
    listen(clock, minutes=6, ahead_s=0.0, begin=end)
    found = clock.estimate()
    assert found is not None
    assert found.ahead_s == pytest.approx(0.0, abs=0.5)
    assert found.steps == 1
    assert found.words == "right, set 1 times"


def test_clock_that_is_set_back_is_believed_a_little_later() -> None:
    clock = DeviceClock()
    end = listen(clock, minutes=60)
    listen(clock, minutes=12, ahead_s=-30, begin=end)
    found = clock.estimate()
    assert found is not None
    assert (found.ahead_s, found.steps) == (pytest.approx(-30.0, abs=0.6), 1)


def test_burst_of_stored_readings_is_no_clock_that_was_set() -> None:
    clock = DeviceClock()
    end = listen(clock, minutes=60, ahead_s=5)
    for i in range(60):  # an hour of silence, then the device hands over what it kept, and goes on
        clock.note(end + 60.0 * i + 5, end + 3600.0)
    listen(clock, minutes=20, ahead_s=5, begin=end + 3600.0)
    found = clock.estimate()
    assert found is not None
    assert found.ahead_s == pytest.approx(5, abs=0.5)
    assert found.steps == 0


def test_third_of_slow_minutes_moves_nothing() -> None:
    clock, rng = DeviceClock(), np.random.default_rng(3)
    for minute in range(180):
        slow = 40.0 if rng.random() < 0.3 else 0.0
        clock.note(T0 + minute * 60.0 + 12.0, T0 + minute * 60.0 + slow)
    found = clock.estimate()
    assert found is not None
    assert found.ahead_s == pytest.approx(12.0, abs=0.5)
    assert found.steps == 0


def test_drift_that_no_quartz_has_is_bounded() -> None:
    clock = DeviceClock()
    listen(clock, minutes=120, ppm=300_000.0)
    found = clock.estimate()
    assert found is not None
    assert found.drift_ppm is None or abs(found.drift_ppm) <= MOST_PPM


def test_times_that_are_no_numbers_are_left_out() -> None:
    clock = DeviceClock()
    clock.note(float("nan"), T0)
    clock.note(float("inf"), T0)
    assert clock.estimate() is None


def test_estimate_is_told_when_it_is_new_when_it_moved_and_once_a_day() -> None:
    clocks = Clocks()
    told = []
    for minute in range(26 * 60):
        now = T0 + minute * 60.0
        clocks.note({7: now + (8.0 if minute > 60 else 0.0)}, now)
        told += [(minute, round(estimate.ahead_s)) for _, estimate in clocks.news([7], now)]
    assert told[0] == (0, 0)
    assert [ahead for _, ahead in told][-1] == 8
    assert len(told) <= 6, "a steady clock is told once a day"
