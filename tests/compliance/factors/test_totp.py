"""One-time codes against the published vectors, and what counts as the same code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.factors.totp import STEP_S, TOLERANCE_STEPS, code_at, matching_step, step_of

RFC_SECRET = b"12345678901234567890"
# RFC 6238, appendix B, SHA-1 (eight digits there: the last six are ours).
RFC_6238 = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}
RFC_4226 = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]


@pytest.mark.parametrize(("t", "code"), list(RFC_6238.items()))
def test_codes_are_those_of_rfc_6238(t: int, code: str) -> None:
    assert code_at(RFC_SECRET, step_of(t)) == code[-6:]


@pytest.mark.parametrize(("step", "code"), list(enumerate(RFC_4226)))
def test_codes_are_those_of_rfc_4226(step: int, code: str) -> None:
    assert code_at(RFC_SECRET, step) == code


@given(st.floats(0, 4e9), st.integers(-5, 5))
def test_a_code_is_accepted_within_half_a_minute_and_no_longer(t: float, away: int) -> None:
    step = max(0, step_of(t) + away)
    found = matching_step(RFC_SECRET, code_at(RFC_SECRET, step), t)
    if abs(step - step_of(t)) <= TOLERANCE_STEPS:
        assert found is not None
    elif found is not None:  # another step may have the same six digits, once in a million
        assert code_at(RFC_SECRET, found) == code_at(RFC_SECRET, step)


def test_spaces_that_apps_show_are_no_mistake() -> None:
    code = code_at(RFC_SECRET, 7)
    assert matching_step(RFC_SECRET, f" {code[:3]} {code[3:]} ", 7 * STEP_S) == 7


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "１２３４５６", "-00001", "0x1234", "\0"])
def test_what_is_no_code_is_refused(typed: str) -> None:
    assert matching_step(RFC_SECRET, typed, 1e9) is None
