"""How a device or gateway sends: how often it measures, how much it gathers, under which seal, over which link.

A duty has a price in watts and a price in time: whoever gathers ten readings before sending them lets the first of them
wait for nine periods. Both are answered here, so that "every five minutes" can be judged before anybody sets it.
"""

from __future__ import annotations

from dataclasses import dataclass

from devices.energy.battery import DAY_S
from devices.energy.cost import SEAL_BYTES, Cost, message_cost
from devices.energy.cpu import deflate_j
from devices.energy.links import Link
from devices.protocol.frames import READING_WIRE, READINGS_HEAD
from devices.protocol.heard import FIRST_RUN, NEXT_RUN
from devices.protocol.suites import Suite

# What DEFLATE leaves of a payload of readings, by how many there are: the mean over the five emulated kinds of device,
# as `python -m benchmarks.duty` measures it. Real devices repeat themselves less or more.
DEFLATED_SHARE = ((1, 0.95), (5, 0.75), (10, 0.62), (20, 0.52), (60, 0.41), (300, 0.32))


@dataclass(frozen=True, slots=True)
class Duty:
    """period_s: between two measurements, each of `metrics` readings. batch: measurements in one message.

    urgent_at_once: a measurement that crosses a limit is not gathered but sent, with what has gathered before it.
    """

    link: Link
    period_s: float
    metrics: int = 1
    batch: int = 1
    suite: Suite | None = Suite.ASCON_AEAD128  # None: unsealed, for comparison
    deflated: bool = False
    urgent_at_once: bool = True
    frames: int = 1  # that share a message: one for each device behind a gateway

    def __post_init__(self) -> None:
        if self.period_s <= 0 or self.metrics < 1 or self.batch < 1:
            raise ValueError("a duty has a period above zero and at least one reading in a message")

    @property
    def message_every_s(self) -> float:
        """Time between two messages, in s."""
        return self.period_s * self.batch

    @property
    def payload_bytes(self) -> float:
        """Bytes of one message before the seal."""
        return self._whole_bytes * deflated_share(self._readings / self.frames) if self.deflated else self._whole_bytes

    @property
    def _readings(self) -> int:
        return self.metrics * self.batch

    @property
    def _whole_bytes(self) -> float:
        heads = READINGS_HEAD.size + FIRST_RUN.size + NEXT_RUN.size * (self.batch - 1)  # when each round was heard
        return heads * self.frames + READING_WIRE.size * self._readings

    def cost(self) -> Cost:
        """Return the cost of one message."""
        suite = self.suite or Suite.ASCON_AEAD128
        sealed = self.suite is not None
        other_seals_bytes = SEAL_BYTES * (self.frames - 1) if sealed else 0
        size = self.payload_bytes + other_seals_bytes
        cost = message_cost(self.link, size, sealed=sealed, gap_s=self.message_every_s, suite=suite)
        if not self.deflated:
            return cost
        return cost + Cost(cpu_j=deflate_j(self._whole_bytes))

    @property
    def power_w(self) -> float:
        """Mean power of sending, in W."""
        return self.cost().total_j / self.message_every_s

    @property
    def joules_per_day(self) -> float:
        """Energy of sending for a day, in J."""
        return self.power_w * DAY_S

    @property
    def worst_delay_s(self) -> float:
        """The longest that a crossed limit can wait before it is sent, from when it was crossed, in s."""
        return self.period_s if self.urgent_at_once else self.period_s * self.batch

    @property
    def mean_delay_s(self) -> float:
        """The same on average: the crossing falls anywhere in a period, and anywhere in a batch."""
        waiting = 0.0 if self.urgent_at_once else self.period_s * (self.batch - 1) / 2
        return self.period_s / 2 + waiting

    @property
    def worst_age_s(self) -> float:
        """How old an ordinary reading can be when it is sent, in s."""
        return self.period_s * (self.batch - 1)


def deflated_share(readings: float) -> float:
    """Return what DEFLATE leaves of a payload of so many readings, between the measured points on a straight line."""
    before_count, before = DEFLATED_SHARE[0]
    for count, share in DEFLATED_SHARE[1:]:
        if readings <= count:
            part = (readings - before_count) / (count - before_count)
            return before + (share - before) * max(0.0, part)
        before_count, before = count, share
    return before
