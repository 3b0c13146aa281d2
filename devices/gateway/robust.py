"""Medians and lines that wrong points do not move, in plain Python: NumPy would be a fifth of a gateway's memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations


def median(values: Iterable[float]) -> float:
    """Return the middle value, or the mean of the two. Raises IndexError without any value."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2.0


def median_slope(points: Sequence[tuple[float, float]], apart: float = 0.0) -> float:
    """Return the median slope between all pairs of points (x, y) that lie at least `apart` from each other (Theil-Sen).

    points: x rising; of 240 points it takes 8 ms. Up to 29 % of them may be wrong. Raises IndexError without a pair.
    """
    pairs = combinations(points, 2)
    return median((y1 - y0) / (x1 - x0) for (x0, y0), (x1, y1) in pairs if x1 - x0 >= apart and x1 > x0)
