"""AZT1D, the public recordings that the forecast learns from: people with type 1 diabetes on pumps that dose by
themselves, a reading every five minutes (CC BY 4.0).
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from twin.forecast.inputs import HORIZONS_MIN
from twin.physiology.estimate import HISTORY_MIN, Observed
from twin.physiology.parameters import Floats

FILE = Path("data", "cgm", "azt1d_train.csv.gz")
HIGHEST_BASAL_U_PER_H = 10.0  # the column also holds numbers up to 4127, which no pump gives
USUAL_WEIGHT_KG = 75.0  # nobody's weight is told
HISTORY_NEEDED_MIN = 180.0
LONGEST_GAP_S = 660.0  # one missed reading; across more the truth would be a guess


@dataclass(frozen=True, slots=True)
class Wearer:
    """One subject: t s and glucose mg/dL float64[n]; basal and bolus as in Observed."""

    subject: int
    t: Floats
    glucose_mg_dl: Floats
    basal_t: Floats
    basal_u_per_h: Floats
    bolus_t: Floats
    bolus_u: Floats


def read(path: Path) -> list[Wearer]:
    """Return all subjects, by number. Rows of one moment are one: the mean of their numbers."""
    rows: dict[int, dict[float, list[tuple[float, float, float]]]] = defaultdict(lambda: defaultdict(list))
    with gzip.open(path, "rt") as file:
        for row in csv.DictReader(file):
            at = datetime.fromisoformat(row["EventDateTime"]).replace(tzinfo=UTC).timestamp()
            glucose = row["CGM"] or row["Readings (CGM / BGM)"]  # subject 14's stand in the second
            cells = (glucose, row["Basal"], row["TotalBolusInsulinDelivered"])
            values = [float(cell) if cell else np.nan for cell in cells]
            rows[int(row["subject"])][at].append((values[0], values[1], values[2]))
    return [_wearer(subject, found) for subject, found in sorted(rows.items())]


def _wearer(subject: int, rows: dict[float, list[tuple[float, float, float]]]) -> Wearer:
    t = np.array(sorted(rows))
    glucose, basal, bolus = np.array([np.array(rows[at]).mean(axis=0) for at in t]).T
    known, given = np.isfinite(glucose), np.nan_to_num(bolus) > 0.0
    rated = np.nan_to_num(basal, nan=-1.0)
    plausible = (rated >= 0.0) & (rated <= HIGHEST_BASAL_U_PER_H)
    return Wearer(subject, t[known], glucose[known], t[plausible], basal[plausible], t[given], bolus[given])


def moments(wearer: Wearer, count: int, rng: np.random.Generator) -> tuple[list[Observed], Floats]:
    """Draw at most `count` moments without long gaps around them; return what was known then, and what came.

    What came is float64[moments, horizons], mg/dL.
    """
    drawn = [int(index) for index in np.sort(rng.permutation(wearer.t.size)[: 2 * count]) if _whole(wearer, int(index))]
    chosen = wearer.t[np.sort(rng.permutation(drawn)[:count])]
    truth = [np.interp(at + HORIZONS_MIN * 60.0, wearer.t, wearer.glucose_mg_dl) for at in chosen]
    return [_known_at(wearer, float(at)) for at in chosen], np.array(truth)


def _whole(wearer: Wearer, index: int) -> bool:
    at = wearer.t[index]
    first = int(np.searchsorted(wearer.t, at - HISTORY_NEEDED_MIN * 60.0))
    last = int(np.searchsorted(wearer.t, at + HORIZONS_MIN[-1] * 60.0))
    if first == 0 or last >= wearer.t.size:
        return False
    return bool(np.diff(wearer.t[first - 1 : last + 1]).max() <= LONGEST_GAP_S)


def _known_at(wearer: Wearer, at: float) -> Observed:
    def until_now(t: Floats, values: Floats) -> tuple[Floats, Floats]:
        recent = (t > at - HISTORY_MIN * 60.0) & (t <= at)
        return t[recent], values[recent]

    none = np.zeros(0)
    return Observed(
        at,
        USUAL_WEIGHT_KG,
        *until_now(wearer.t, wearer.glucose_mg_dl),
        *until_now(wearer.bolus_t, wearer.bolus_u),
        *until_now(wearer.basal_t, wearer.basal_u_per_h),
        none,
        none,
    )
