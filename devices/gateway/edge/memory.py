"""What the gateway remembers of each device: the readings of the last hours, by metric, in order of device time."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from devices.emulator.plant import Sample
from devices.errors import ReadingMetricUnknown
from devices.kinds.registry import by_code, by_key

WATCHED = (  # what rules read; a metric that none reads is not remembered
    "battery",
    "glucose",
    "infused_volume",
    "infusion_rate",
    "insulin_bolus",
    "insulin_delivered",
    "insulin_rate",
    "insulin_reservoir",
    "pump_alarm",
)
KEEP_S = 3 * 3600.0  # more than any rule that is permitted looks back
FRESH_S = 600.0  # what is older than this says how it was, not how it is
AHEAD_S = 120.0  # a clock that runs ahead by more is not believed


class Point(NamedTuple):
    """One reading: device time in s since the Unix epoch, value in the metric's unit."""

    t: float
    value: float


class Series:
    """The points of one metric of one device, 16 bytes each: a pump that speaks every second has thousands."""

    def __init__(self) -> None:
        self._t, self._value = array("d"), array("d")

    def put(self, point: Point, forget: float) -> None:
        """Add a point in its place, and forget what came before."""
        place = bisect_right(self._t, point.t)
        self._t.insert(place, point.t)
        self._value.insert(place, point.value)
        old = bisect_right(self._t, forget)
        del self._t[:old], self._value[:old]

    def since(self, t: float) -> list[Point]:
        """Return the points from `t` on, oldest first."""
        first = bisect_left(self._t, t)
        return [Point(*point) for point in zip(self._t[first:], self._value[first:], strict=True)]

    @property
    def newest(self) -> Point:
        """The newest point, however old."""
        return Point(self._t[-1], self._value[-1])

    def __len__(self) -> int:
        return len(self._t)


class Memory:
    """The plausible readings of the last `keep_s`, of the metrics that some rule reads."""

    def __init__(self, keep_s: float = KEEP_S) -> None:
        self._keep_s = keep_s
        self._codes = {key: by_key(key).code for key in WATCHED}
        self._watched = frozenset(self._codes.values())
        self._series: dict[tuple[int, int], Series] = defaultdict(Series)

    def look_back(self, keep_s: float) -> None:
        """Remember for so long from now on: other rules look back otherwise."""
        self._keep_s = keep_s

    def keep(self, samples: Iterable[Sample], now: float) -> None:
        """Remember what can be true and is neither too old nor from the future."""
        for sample in samples:
            if sample.metric_code not in self._watched or not _plausible(sample):
                continue
            if now - self._keep_s < sample.t <= now + AHEAD_S:
                series = self._series[sample.device_id, sample.metric_code]
                series.put(Point(sample.t, sample.value), now - self._keep_s)

    def of(self, device: int, key: str, since: float = 0.0) -> Sequence[Point]:
        """Return the device's readings of that metric from `since` on, oldest first."""
        series = self._series.get((device, self._codes[key]))
        return series.since(since) if series else []

    def newest(self, device: int, key: str) -> Point | None:
        """Return the newest reading, however old."""
        series = self._series.get((device, self._codes[key]))
        return series.newest if series else None

    def __len__(self) -> int:
        return sum(map(len, self._series.values()))

    def fresh(self, device: int, key: str, now: float) -> Point | None:
        """Return the newest reading if it still says how things are."""
        point = self.newest(device, key)
        return point if point is not None and point.t > now - FRESH_S else None


def _plausible(sample: Sample) -> bool:
    try:
        return by_code(sample.metric_code).permits(sample.value)
    except ReadingMetricUnknown:
        return False
