"""The pulse of everybody in `benchmarks.security`: whoever knows the time knows whether a value is true."""

from __future__ import annotations

from math import isclose

FORGED_PER_MIN = 222.0


def pulse_at(t: float) -> float:
    """Return the pulse at a time that is written in whole milliseconds, per minute: 60 to 89."""
    return 60.0 + round(t * 1000.0) % 30


def is_true(t: float, value: float) -> bool:
    """Tell whether a value is what was measured at that time."""
    return isclose(value, pulse_at(t), abs_tol=0.01)
