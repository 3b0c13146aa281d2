"""When a battery or a reservoir runs out: simulated uses of which the end is known."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from devices.energy.forecast import runs_out

HOUR = 3600.0
DAY = 86_400.0


def simulated(seed: int, *, rounding: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return a level every ten minutes from full to empty, under a load that changes from hour to hour and by day."""
    random = np.random.default_rng(seed)
    per_hour = random.uniform(0.5, 3.0)
    hours = np.arange(400)
    load = per_hour * (1 + 0.4 * np.sin(2 * np.pi * hours / 24)) * random.gamma(8, 1 / 8, len(hours))
    t = np.arange(0, 400 * HOUR, 600.0)
    level = 100 - np.interp(t, np.arange(401) * HOUR, np.concatenate(([0], np.cumsum(load))))
    alive = level > 0
    end = t[alive][-1]
    return t[alive], np.ceil(level[alive] / rounding) * rounding if rounding else level[alive], end


@pytest.mark.parametrize(("rounding", "widest"), [(0.0, 0.6), (1.0, 0.65), (5.0, 1.3)])
def test_the_interval_holds_the_true_end_at_least_nine_times_in_ten(rounding: float, widest: float) -> None:
    inside = 0
    widths = []
    for seed in range(200):
        t, level, end = simulated(seed, rounding=rounding)
        known = int(len(t) * 0.5)
        found = runs_out(t[:known], level[:known], full=100)
        if found is None:
            continue
        widths.append((found.latest_s - found.earliest_s) / found.expected_s)
        inside += found.earliest_s <= end - t[known - 1] <= found.latest_s
    assert len(widths) > 180
    assert inside / len(widths) >= 0.9
    assert np.median(widths) < widest  # an interval from now to never would hold it too


def test_it_is_nearer_the_truth_than_the_last_two_hours_drawn_on() -> None:
    ours, naive = [], []
    for seed in range(200):
        t, level, end = simulated(seed, rounding=1.0)
        known = int(len(t) * 0.5)
        found = runs_out(t[:known], level[:known], full=100)
        fell = level[known - 13] - level[known - 1]
        if found is None or fell <= 0:
            continue
        truth = end - t[known - 1]
        ours.append(abs(found.expected_s - truth))
        naive.append(abs(level[known - 1] / (fell / (2 * HOUR)) - truth))
    assert len(ours) > 100
    assert np.median(ours) < 0.6 * np.median(naive)


def test_a_steady_use_is_known_exactly() -> None:
    t = np.arange(48) * HOUR
    found = runs_out(t, 100 - t / HOUR, full=100)
    assert found is not None
    assert found.expected_s == pytest.approx(53 * HOUR)
    assert found.earliest_s == pytest.approx(found.latest_s)
    assert found.per_day == pytest.approx(24)


def test_only_what_came_after_the_last_refill_counts() -> None:
    t = np.arange(40) * HOUR
    level = np.concatenate((100 - 5 * np.arange(15), 100 - np.arange(25)))
    found = runs_out(t, level, full=100)
    assert found is not None
    assert found.per_day == pytest.approx(24)


@pytest.mark.parametrize(
    "level",
    [np.full(30, 80.0), np.linspace(20, 30, 30), np.array([50.0, 49.0, 48.0])],
    ids=["still", "rising", "short"],
)
def test_where_nothing_can_be_said_nothing_is_said(level: np.ndarray) -> None:
    assert runs_out(np.arange(len(level)) * HOUR, level, full=100) is None


def test_an_end_that_cannot_be_excluded_is_infinite() -> None:
    level = np.array([100, 100, 100, 100, 100, 100, 100, 100, 90, 90, 90, 90.0])
    found = runs_out(np.arange(12) * DAY, level, full=100)
    assert found is not None
    assert found.latest_s == inf
    assert 0 < found.earliest_s < found.expected_s < inf


def test_what_is_empty_is_empty_now() -> None:
    found = runs_out(np.arange(20) * HOUR, np.linspace(50, 0, 20), full=100)
    assert found is not None
    assert (found.expected_s, found.earliest_s, found.latest_s) == (0, 0, 0)
