"""What is known before a dose is due, as numbers: one row per dose, made of earlier outcomes and the dose's own clock
time.

The same function makes the rows for training and the one row for the next dose, so that the two can never differ. Row
i never reads the outcome of dose i or of a later one. Rates are shrunk towards a prior, so that three doses do not
make a habit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compliance.adherence.histories import BoolArray, FloatArray, History

PRIOR_MISS = 0.10  # share omitted while engaged: Vrijens, BMJ 2008
PRIOR_DOSES = 10.0  # the prior counts as much as this many doses
WINDOWS_DAYS = (28, 7, 3)  # each rate is drawn towards that of the next longer window
WINDOW_PRIOR_DOSES = (10.0, 4.0, 2.0)
WEEK_DAYS = 7
SAME_PRIOR_DOSES = 12.0
GAP_EDGES_DAYS = (1.5, 2.5, 3.5, 7.0)
LAST_DELAYS = 4
LONGEST_SHIFT_H = 3.0
MIDDAY_MIN, EVENING_MIN = 11 * 60, 17 * 60

# The name of each column, and the factor that it is told as. A factor's contribution is the sum of its columns'.
COLUMNS: tuple[tuple[str, str], ...] = (
    ("usual_logit", "usual"),
    ("month_logit", "recent"),
    ("week_logit", "recent"),
    ("three_days_logit", "recent"),
    ("last_missed", "gap"),
    ("last_two_missed", "gap"),
    ("gap_over_1_day", "gap"),
    ("gap_over_2_days", "gap"),
    ("gap_over_3_days", "gap"),
    ("gap_over_7_days", "gap"),
    ("midday", "hour"),
    ("evening", "hour"),
    ("same_hour_logit", "hour"),
    ("weekend", "weekday"),
    ("same_weekday_logit", "weekday"),
    ("shift_h", "timing"),
)
NAMES = tuple(name for name, _ in COLUMNS)
FACTORS = tuple(dict.fromkeys(factor for _, factor in COLUMNS))


@dataclass(frozen=True, slots=True)
class Known:
    """What a sentence about the next dose may say: counts behind the last row of a feature matrix."""

    doses: int
    missed: int
    week_doses: int
    week_missed: int
    gap_days: float  # since the last intake; NaN when there is none
    last_missed: bool
    shift_h: float


def _logit(p: FloatArray) -> FloatArray:
    return np.asarray(np.log(p) - np.log1p(-p))


def _before(flags: NDArray[np.generic]) -> FloatArray:
    """Return, for every position, the sum of all earlier entries."""
    return np.concatenate([[0.0], np.cumsum(flags.astype(np.float64))[:-1]])


def _shrunk(missed: FloatArray, doses: FloatArray, prior: FloatArray | float, weight: float) -> FloatArray:
    return np.asarray((missed + weight * prior) / (doses + weight))


def _rate_among(same: BoolArray, missed: BoolArray, usual: FloatArray) -> FloatArray:
    """Return, at the positions in `same`, the shrunk rate among earlier positions in `same`; elsewhere 0."""
    rate = np.zeros(len(same))
    chosen = missed[same]
    rate[same] = _shrunk(_before(chosen), np.arange(float(len(chosen))), usual[same], SAME_PRIOR_DOSES)
    return rate


def _group_logits(groups: NDArray[np.int64], missed: BoolArray, usual: FloatArray) -> FloatArray:
    rate = np.sum([_rate_among(groups == group, missed, usual) for group in np.unique(groups)], axis=0)
    return _logit(rate) - _logit(usual)


def _window(day: NDArray[np.int64], missed: BoolArray, days: int) -> tuple[FloatArray, FloatArray]:
    """Return the doses, and those missed, on the `days` days before each dose and earlier on its own day."""
    first = np.searchsorted(day, day - days, side="left")
    before = _before(missed)
    return np.arange(float(len(day))) - first, before - before[first]


def _recent_logits(day: NDArray[np.int64], missed: BoolArray, usual: FloatArray) -> list[FloatArray]:
    """Return, for every window, how its rate differs from that of the next longer one, as log-odds."""
    columns, longer = [], usual
    for days, weight in zip(WINDOWS_DAYS, WINDOW_PRIOR_DOSES, strict=True):
        doses, gone = _window(day, missed, days)
        rate = _shrunk(gone, doses, longer, weight)
        columns.append(_logit(rate) - _logit(longer))
        longer = rate
    return columns


def _gap_days(when: FloatArray, taken: BoolArray) -> FloatArray:
    """Return the days since the last intake before each dose; since the first dose where there was none."""
    last = np.maximum.accumulate(np.where(taken, when, -np.inf))
    last = np.concatenate([[-np.inf], last[:-1]])
    return np.asarray(np.where(np.isfinite(last), when - last, when - when[0] + 1.0))


def _shift_h(delay_min: FloatArray, taken: BoolArray) -> FloatArray:
    """Return how much later than usual the last intakes were, hours: mean of the last four minus mean of all before."""
    known = taken & np.isfinite(delay_min)
    at = np.flatnonzero(known)
    total = np.concatenate([[0.0], np.cumsum(delay_min[at])])
    seen = np.searchsorted(at, np.arange(len(taken)), side="left")  # known delays before each dose
    start = np.maximum(seen - LAST_DELAYS, 0)
    recent = (total[seen] - total[start]) / np.maximum(seen - start, 1)
    usual = total[seen] / np.maximum(seen, 1)
    shift = np.where(seen > LAST_DELAYS, recent - usual, 0.0) / 60.0
    return np.asarray(np.clip(shift, -LONGEST_SHIFT_H, LONGEST_SHIFT_H))


def matrix(history: History) -> FloatArray:
    """Return float64[n, len(COLUMNS)], one row per dose; the last dose's `taken` and `delay_min` are never read."""
    n = len(history)
    if n == 0:
        return np.empty((0, len(COLUMNS)))
    missed = ~history.taken
    when = history.day + history.minute / 1440.0
    usual = _shrunk(_before(missed), np.arange(float(n)), PRIOR_MISS, PRIOR_DOSES)
    last = np.concatenate([[0.0], missed[:-1].astype(np.float64)])
    gap = _gap_days(when, history.taken)
    evening = history.minute >= EVENING_MIN
    columns = [
        _logit(usual),
        *_recent_logits(history.day, missed, usual),
        last,
        last * np.concatenate([[0.0], last[:-1]]),
        *(gap > edge for edge in GAP_EDGES_DAYS),
        (history.minute >= MIDDAY_MIN) & ~evening,
        evening,
        _group_logits(history.minute, missed, usual),
        history.weekday >= 5,
        _group_logits(history.weekday, missed, usual),
        _shift_h(history.delay_min, history.taken),
    ]
    return np.column_stack([np.asarray(column, dtype=np.float64) for column in columns])


def known(history: History) -> Known:
    """Return the counts that were known before the last dose of `history`, which must hold at least one."""
    missed = ~history.taken
    when = history.day + history.minute / 1440.0
    week_doses, week_missed = _window(history.day, missed, WEEK_DAYS)
    return Known(
        doses=len(history) - 1,
        missed=int(missed[:-1].sum()),
        week_doses=int(week_doses[-1]),
        week_missed=int(week_missed[-1]),
        gap_days=float(_gap_days(when, history.taken)[-1]) if history.taken[:-1].any() else float("nan"),
        last_missed=bool(missed[:-1][-1:].any()),
        shift_h=float(_shift_h(history.delay_min, history.taken)[-1]),
    )
