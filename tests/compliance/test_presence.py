"""How long a sign-in lasts, as arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.presence import Limits, Standing, device_words, standing

LIMITS = Limits(idle=timedelta(minutes=15), absolute=timedelta(hours=12))
BEGAN = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)


def judge(touched_s: float, now_s: float) -> Standing:
    touched, now = BEGAN + timedelta(seconds=touched_s), BEGAN + timedelta(seconds=now_s)
    return standing(began=BEGAN, touched=touched, now=now, limits=LIMITS)


@pytest.mark.parametrize(
    ("touched_s", "now_s", "expected"),
    [
        (0, 0, Standing.HERE),
        (0, 899, Standing.HERE),
        (0, 900, Standing.AWAY),
        (43_000, 43_199, Standing.HERE),
        (43_199, 43_200, Standing.OVER),
        (0, -901, Standing.OVER),
    ],
)
def test_idle_makes_away_and_a_shift_makes_over(touched_s: float, now_s: float, expected: Standing) -> None:
    assert judge(touched_s, now_s) is expected


@given(st.floats(0, 1e5), st.floats(0, 1e5), st.floats(0, 1e5))
def test_time_never_gives_back_what_it_took(touched_s: float, now_s: float, later_s: float) -> None:
    order = [Standing.HERE, Standing.AWAY, Standing.OVER]
    assert order.index(judge(touched_s, now_s + later_s)) >= order.index(judge(touched_s, now_s))


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/141.0 Safari/537.36 Edg/141.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1", "Safari on iPad"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/141.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.0", "A browser"),
        ("", "A browser"),
        ("<script>" * 5000, "A browser"),
    ],
)
def test_a_device_is_named_in_words(user_agent: str, words: str) -> None:
    assert device_words(user_agent) == words
