"""What a forecast looks at: the sensor's last hour on a five-minute grid, and what the twin expects.

What is not known counts as no change, so that a young sensor leads to a cautious forecast instead of none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twin.physiology.estimate import Observed, estimate_all
from twin.physiology.parameters import Floats
from twin.whatif.futures import STEP_MIN, courses
from twin.whatif.scenario import AS_NOW

HORIZONS_MIN = np.arange(5.0, 60.1, 5.0)
MEMBERS = 60  # bodies for each patient: more change the median by less than a sensor's error
LAGS_MIN = np.array([0.0, 5.0, 15.0, 30.0, 60.0])
NAMES = (
    "level above 140 mg/dL",
    "change over the last 5 min",
    "change from 15 to 5 min ago",
    "change from 30 to 15 min ago",
    "change from 60 to 30 min ago",
    "change that the twin expects",  # until the horizon: the only input that differs between horizons
)
USUAL_MG_DL = 140.0
FASTEST_MG_DL_PER_MIN = 3.0  # faster than a body; a sensor that was replaced or pressed upon jumps
NEAR_S = 150.0  # readings so near a grid point are it
NOW_S = 60.0  # the newest point looks back only: a sensor that reports every 20 s is averaged over a minute
LONGEST_GAP_S = 1200.0
AT_ONCE = 50  # patients simulated side by side: all the speed, and still little memory


def has_pump(observed: Observed) -> bool:
    """Tell whether a pump's basal rate is known, without which the twin does not know the person's insulin."""
    return bool((observed.basal_u_per_h > 0.0).any())


def sensor_inputs(observed: Observed) -> tuple[float, Floats]:
    """Return the newest glucose, mg/dL, and every input but the twin's, mg/dL float64[5]."""
    points = _points(observed)
    fastest = FASTEST_MG_DL_PER_MIN * np.diff(LAGS_MIN)
    changes = np.clip(points[:-1] - points[1:], -fastest, fastest)
    return float(points[0]), np.concatenate([[points[0] - USUAL_MG_DL], changes])


def twin_changes(everyone: Sequence[Observed], seeds: Sequence[int]) -> Floats:
    """Simulate the twins side by side; return the change that each expects, mg/dL float64[people, horizons]."""
    parts = [slice(first, first + AT_ONCE) for first in range(0, len(everyone), AT_ONCE)]
    return np.concatenate([_changes(everyone[part], seeds[part]) for part in parts])


def _changes(everyone: Sequence[Observed], seeds: Sequence[int]) -> Floats:
    present = estimate_all(everyone, MEMBERS, [np.random.default_rng(seed) for seed in seeds])
    _minutes, glucose = courses(present, [AS_NOW], float(HORIZONS_MIN[-1]))
    middle = np.median(glucose.reshape(len(glucose), len(everyone), MEMBERS), axis=2)
    return np.asarray((middle[(HORIZONS_MIN / STEP_MIN).astype(np.int64)] - middle[0]).T)


def _points(observed: Observed) -> Floats:
    """Return glucose now and at each lag, mg/dL float64[5]; across too long a gap it is taken not to have changed."""
    t, values = observed.glucose_t, observed.glucose_mg_dl
    points = [float(values[t >= t[-1] - NOW_S].mean())]
    for lag in LAGS_MIN[1:]:
        at = observed.at - lag * 60.0
        near = np.abs(t - at) <= NEAR_S
        after = int(np.searchsorted(t, at))
        if near.any():
            points.append(float(values[near].mean()))
        elif 0 < after < t.size and t[after] - t[after - 1] <= LONGEST_GAP_S:
            points.append(float(np.interp(at, t, values)))
        else:
            points.append(points[-1])
    return np.array(points)
