"""What a forecast of glucose says in two words: how low and how high the next hour is expected to go."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

# mg/dL; Battelino et al., Clinical targets for CGM data interpretation (2019), table 1
BOUNDS = (54.0, 70.0, 180.0, 250.0)
LEVELS = ("very low", "low", "in range", "high", "very high")


def conclusion_of(middle: Sequence[float]) -> str:
    """Return the levels of the lowest and of the highest expected value, mg/dL, such as "low to in range".

    Raises ValueError for an empty forecast.
    """
    lowest, highest = (LEVELS[bisect_right(BOUNDS, value)] for value in (min(middle), max(middle)))
    return lowest if lowest == highest else f"{lowest} to {highest}"
