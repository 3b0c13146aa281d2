"""What runs out on a device, and when: batteries, reservoirs, sensors made for a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite

import numpy as np

from devices.energy.battery import DAY_S
from devices.energy.forecast import RunsOut, runs_out
from devices.kinds.measurement import DeviceKind, Measurement
from devices.telemetry import Reading

LOOK_BACK = timedelta(days=7)
MOST_POINTS = 600  # of each level: what a forecast over days needs, however often the device says it


@dataclass(frozen=True, slots=True)
class Supply:
    """A level that falls. newest: its last reading. forecast: None where nothing can be said yet."""

    measurement: Measurement
    newest: Reading
    forecast: RunsOut | None

    @property
    def value(self) -> str:
        """The level as people read it, without its unit."""
        return f"{self.newest.value:.{self.measurement.decimals}f}"

    @property
    def empty_at(self) -> datetime | None:
        """When it is expected to be empty."""
        return self._after(self.forecast.expected_s) if self.forecast else None

    @property
    def earliest(self) -> datetime | None:
        """The beginning of the interval."""
        return self._after(self.forecast.earliest_s) if self.forecast else None

    @property
    def latest(self) -> datetime | None:
        """The end of the interval, None where no end can be excluded."""
        return self._after(self.forecast.latest_s) if self.forecast and isfinite(self.forecast.latest_s) else None

    def _after(self, seconds: float) -> datetime | None:
        """Return that moment; None for one so far away that a calendar has no use for it."""
        if seconds > timedelta(days=3650).total_seconds():
            return None
        return datetime.fromtimestamp(self.newest.t + seconds, tz=UTC)


@dataclass(frozen=True, slots=True)
class Life:
    """How long a device that is made for a time has been worn. ends_at: when that time is over."""

    worn_since: datetime
    ends_at: datetime
    days: float

    def days_left(self, now: datetime) -> float:
        """Return what is left, below zero when it is worn for longer than it was made for."""
        return (self.ends_at - now) / timedelta(days=1)


def life_of(kind: DeviceKind, worn_since: float | None) -> Life | None:
    """Return the life of what somebody wears since then (s since the Unix epoch); None where nothing says how long."""
    if kind.made_for_s is None or worn_since is None:
        return None
    since = datetime.fromtimestamp(worn_since, tz=UTC)
    return Life(since, since + timedelta(seconds=kind.made_for_s), kind.made_for_s / DAY_S)


def levels_of(kind: DeviceKind) -> list[Measurement]:
    """Return the measurements of a kind whose end can be foretold."""
    return [measurement for measurement in kind.measurements if measurement.runs_out]


def supplies(kind: DeviceKind, history: Sequence[Reading]) -> list[Supply]:
    """Return what runs out, by the readings of its levels; history in order of time."""
    found = []
    for measurement in levels_of(kind):
        rows = [row for row in history if row.metric == measurement.code]
        if not rows:
            continue
        t, level = np.array([row.t for row in rows]), np.array([row.value for row in rows])
        found.append(Supply(measurement, rows[-1], runs_out(t, level, full=float(level.max()))))
    return found
