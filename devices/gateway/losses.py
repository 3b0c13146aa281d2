"""Tells the server what had to be given up because this gateway's disk was full: of which device, and how much."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Collection

from devices.gateway.queue import DiskQueue
from devices.gateway.queue_file import Lost
from devices.kinds.registry import Urgency
from devices.protocol.facts import Fact, FactKind

TELL_EVERY_S = 600.0  # a full disk gives something up every second
NAMES = {
    Urgency.ALARM: "alarms",
    Urgency.URGENT: "urgent images",
    Urgency.TELEMETRY: "readings",
    Urgency.BULK: "waveforms",
}


class Losses:
    """Counts between two tellings. Called from the collector's thread."""

    def __init__(
        self, queue: DiskQueue, devices: Collection[int], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._queue, self._devices, self._monotonic = queue, frozenset(devices), monotonic
        self._untold: Lost = Counter()
        self._told_s = -math.inf

    def look(self, now: float, *, cut_off: bool) -> list[Fact]:
        """Return a fact for each device that lost something, every ten minutes at most. now: the world's time."""
        dropped = self._queue.take_dropped()
        self._untold.update({key: count for key, count in dropped.items() if key[1] in self._devices})
        now_s = self._monotonic()
        if not self._untold or now_s - self._told_s < TELL_EVERY_S:
            return []
        self._told_s = now_s
        untold, self._untold = self._untold, Counter()
        devices = sorted({device for _, device in untold})
        return [_fact(device, untold, now, cut_off) for device in devices]


def _fact(device: int, lost: Lost, now: float, cut_off: bool) -> Fact:
    mine = {urgency: count for (urgency, number), count in sorted(lost.items()) if number == device}
    words = ", ".join(f"{count} of {NAMES[urgency]}" for urgency, count in mine.items())
    return Fact(
        device_id=device,
        t=now,
        kind=FactKind.DROPPED,
        rule="disk_full",
        alarm=0,
        seen="the gateway's disk was full",
        done=f"batches were given up, the oldest first: {words}",
        cut_off=cut_off,
        values={urgency.name.lower(): float(count) for urgency, count in mine.items()},
    )
