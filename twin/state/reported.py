"""What devices reported, as a join-semilattice: per device and metric the newest by (device time, sequence) wins.

`join` is commutative, associative and idempotent, so any process can apply any readings in any order, twice or late,
and all arrive at the same state. `TwinStates` is the same join kept up to date in place for many twins at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from devices.telemetry import READING, newest, newest_rows, series_keys

# A state is READING[n] with one row per (device, metric), sorted by both.
State = NDArray[np.void]
BOTTOM: State = np.empty(0, READING)


def state_of(readings: NDArray[np.void]) -> State:
    """Return the smallest state that holds all `readings`: READING[n] in any order, with repeats."""
    return newest(readings)


def join(one: State, other: State) -> State:
    """Return the least state above both."""
    return state_of(np.concatenate([one, other]))


class TwinStates:
    """The reported state of many twins, merged in place. 10,000 twins of 10 metrics take 4 MB."""

    def __init__(self) -> None:
        self._keys = np.empty(0, np.uint64)
        self._state: State = BOTTOM

    def __len__(self) -> int:
        return len(self._state)

    @property
    def state(self) -> State:
        """A copy of the whole state."""
        return self._state.copy()

    def merge(self, readings: NDArray[np.void]) -> NDArray[np.bool_]:
        """Join `readings` in and tell which of them (bool[n]) are now the newest of their metric and were not before.

        Late readings change nothing: they belong to history.
        """
        advanced = np.zeros(len(readings), np.bool_)
        if len(readings) == 0:
            return advanced
        rows = newest_rows(readings)
        at, known = self._find(series_keys(readings[rows]))
        newer = np.ones(len(rows), np.bool_)
        newer[known] = _later(readings[rows[known]], self._state[at[known]])
        self._state[at[known & newer]] = readings[rows[known & newer]]
        if not known.all():
            self._state = np.insert(self._state, at[~known], readings[rows[~known]])
            self._keys = series_keys(self._state)
        advanced[rows[newer]] = True
        return advanced

    def _find(self, keys: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        at = np.searchsorted(self._keys, keys)
        if len(self._keys) == 0:
            return at, np.zeros(len(keys), np.bool_)
        return at, self._keys[np.minimum(at, len(self._keys) - 1)] == keys


def _later(one: NDArray[np.void], other: NDArray[np.void]) -> NDArray[np.bool_]:
    """Tell row by row whether `one` comes after `other` in the order (t, seq, value)."""
    t, u = one["t"], other["t"]
    m, n = one["seq"], other["seq"]
    later: NDArray[np.bool_] = (t > u) | ((t == u) & ((m > n) | ((m == n) & (one["value"] > other["value"]))))
    return later
