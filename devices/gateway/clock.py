"""How far a device's clock is from the gateway's, and how fast it drifts: estimated from when readings arrive.

A reading arrives after it was made, by a delay that is never negative and often nearly nothing. So of every minute the
reading that seems to have travelled fastest counts, and a line through these is the clock: Theil-Sen, which a third of
wrong points does not move. A clock that was set shows as minutes that all lie off the line, on one side: the line is
then begun anew. Readings that a device kept for later tell of its memory and not of its clock; they lie on the slow
side and are left behind by the same rule. A step to that side is therefore believed later than one to the other.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from devices.gateway.robust import median, median_slope

BUCKET_S = 60.0
KEEP = 240  # minutes that are looked at
DRIFT_AFTER_S = 900.0  # a drift needs a quarter of an hour,
DRIFT_AFTER = 8  # and eight minutes with readings
MOST_PPM = 500.0  # no quartz is worse; what seems so is something else
STEP_S = 2.0
STEP_MINUTES = 3  # in a row off the line: no delay makes a reading come early,
SLOW_MINUTES = 8  # but many things make it come late


class Minute(NamedTuple):
    """The fastest reading of a minute. received: by the gateway's clock. lag_s: arrival less device time."""

    received: float
    lag_s: float


class ClockEstimate(NamedTuple):
    """ahead_s: how far the device's clock is ahead of the gateway's now. drift_ppm: None while it cannot be told.

    spread_s: median distance from the line. steps: how often the clock was set while we listened.
    """

    ahead_s: float
    drift_ppm: float | None
    spread_s: float
    steps: int

    @property
    def words(self) -> str:
        """The estimate as people read it."""
        if abs(self.ahead_s) < 1.0:
            at = "right"
        else:
            at = f"{abs(self.ahead_s):.0f} s {'ahead' if self.ahead_s > 0 else 'behind'}"
        drift = "" if self.drift_ppm is None else f", drifts {self.drift_ppm:+.0f} ppm"
        return at + drift + (f", set {self.steps} times" if self.steps else "")


class DeviceClock:
    """What one device's readings tell of its clock."""

    def __init__(self) -> None:
        self._minutes: deque[Minute] = deque(maxlen=KEEP)
        self.steps = 0
        self._estimate: ClockEstimate | None = None  # until a minute changes: a line through 240 of them takes 8 ms

    def note(self, device_t: float, received: float) -> None:
        """Take in one reading: its device time and when it arrived, s since the Unix epoch."""
        lag_s = received - device_t
        if not math.isfinite(lag_s):
            return
        newest = self._minutes[-1] if self._minutes else None
        if newest is None or received // BUCKET_S > newest.received // BUCKET_S:
            self._look_for_step()
            self._minutes.append(Minute(received, lag_s))
        elif lag_s < newest.lag_s:
            self._minutes[-1] = Minute(received, lag_s)
        else:
            return
        self._estimate = None

    def estimate(self) -> ClockEstimate | None:
        """Return what is known; None before the first reading."""
        if self._estimate is None and self._minutes:
            slope, at_newest, spread = _line(self._minutes)
            drift = None if slope is None else -slope * 1e6
            self._estimate = ClockEstimate(-at_newest, drift, spread, self.steps)
        return self._estimate

    def _look_for_step(self) -> None:
        """Begin anew when the newest minutes all lie off the line of those before, on one side.

        Called when a minute is complete: its fastest reading may still be to come before.
        """
        minutes = list(self._minutes)
        for count, side in ((STEP_MINUTES, -1.0), (SLOW_MINUTES, 1.0)):
            before, latest = minutes[:-count], minutes[-count:]
            if not before:
                continue
            slope, at_newest, spread = _line(before)
            due = [at_newest + (slope or 0.0) * (one.received - before[-1].received) for one in latest]
            bound = max(STEP_S, 6.0 * spread)
            if all(side * (one.lag_s - lag_s) > bound for one, lag_s in zip(latest, due, strict=True)):
                self._minutes = deque(latest, maxlen=KEEP)
                self.steps += 1
                return


def _line(minutes: Sequence[Minute]) -> tuple[float | None, float, float]:
    """Return slope (s per s, None when it cannot be told), lag at the newest minute, and median distance."""
    newest = minutes[-1].received
    slope = None
    if len(minutes) >= DRIFT_AFTER and newest - minutes[0].received >= DRIFT_AFTER_S:
        most = MOST_PPM * 1e-6
        slope = min(max(median_slope(minutes), -most), most)
    flat = [lag_s - (slope or 0.0) * (received - newest) for received, lag_s in minutes]
    at = median(flat)
    return slope, at, median(abs(lag_s - at) for lag_s in flat)


class Clocks:
    """The clocks of a gateway's devices, and what of them is new enough to be told."""

    TELL_S, TELL_PPM, AGAIN_S, AT_MOST_EVERY_S = 1.0, 20.0, 86_400.0, 1800.0

    def __init__(self) -> None:
        self._clocks: dict[int, DeviceClock] = {}
        self._told: dict[int, tuple[ClockEstimate, float]] = {}

    def note(self, newest: dict[int, float], received: float) -> None:
        """Take in the newest device time of each device that spoke, all received at the same moment."""
        for device, device_t in newest.items():
            self._clocks.setdefault(device, DeviceClock()).note(device_t, received)

    def of(self, device: int) -> ClockEstimate | None:
        """Return what is known of one device's clock."""
        clock = self._clocks.get(device)
        return clock.estimate() if clock else None

    def news(self, devices: Sequence[int], now: float) -> list[tuple[int, ClockEstimate]]:
        """Return the estimates that changed enough, or were told long ago, and take them for told."""
        found = []
        for device in devices:
            estimate = self.of(device) if self._may_be_news(device, now) else None
            if estimate is None or not self._is_news(device, estimate, now):
                continue
            self._told[device] = (estimate, now)
            found.append((device, estimate))
        return found

    def _may_be_news(self, device: int, now: float) -> bool:
        """Tell whether an estimate could be told now at all: most seconds it could not, and costs nothing then."""
        told, at = self._told.get(device, (None, -math.inf))
        clock = self._clocks.get(device)
        stepped = told is not None and clock is not None and clock.steps != told.steps
        return stepped or now - at >= self.AT_MOST_EVERY_S

    def _is_news(self, device: int, estimate: ClockEstimate, now: float) -> bool:
        if device not in self._told:
            return True
        told, at = self._told[device]
        if estimate.steps != told.steps:
            return True
        drift, known = estimate.drift_ppm, told.drift_ppm
        moved = abs(estimate.ahead_s - told.ahead_s) > max(self.TELL_S, 3.0 * estimate.spread_s)
        drifted = drift is not None and (known is None or abs(drift - known) > self.TELL_PPM)
        return moved or drifted or now - at >= self.AGAIN_S
