"""The price of a message, and how much of it security takes.

"Without the seal" means the same readings in a frame that has neither our header nor the tag. That overstates the price
of security a little: an unsealed frame would still have to name its device.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from devices.energy.cpu import framing_j, seal_j
from devices.energy.links import Link
from devices.protocol.suites import Suite

HEADER_BYTES = 20
TAG_BYTES = 16
SEAL_BYTES = HEADER_BYTES + TAG_BYTES


@dataclass(frozen=True, slots=True)
class Cost:
    """Energies in J. `security_j` is the part of the other two that the seal is to blame for."""

    radio_j: float = 0.0
    cpu_j: float = 0.0
    security_j: float = 0.0

    @property
    def total_j(self) -> float:
        """Radio and processor together."""
        return self.radio_j + self.cpu_j

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.radio_j + other.radio_j, self.cpu_j + other.cpu_j, self.security_j + other.security_j)

    def times(self, count: float) -> Cost:
        """Return the cost of `count` such messages."""
        return Cost(self.radio_j * count, self.cpu_j * count, self.security_j * count)


def message_cost(
    link: Link, payload_bytes: float, *, sealed: bool, gap_s: float = inf, suite: Suite = Suite.ASCON_AEAD128
) -> Cost:
    """Return the cost of one message of `payload_bytes` readings over `link`.

    gap_s: time until the next message on this link; it ends the tail early.
    Raises ValueError for a negative size or gap.
    """
    if payload_bytes < 0 or gap_s < 0:
        raise ValueError("a message has no negative size, and none follows before it")
    tail_j = link.tail_j(gap_s)
    if not sealed:
        return Cost(link.send_j(payload_bytes) + tail_j, framing_j(payload_bytes))
    frame_bytes = payload_bytes + SEAL_BYTES
    send_j, sealing_j = link.send_j(frame_bytes), seal_j(payload_bytes, HEADER_BYTES, suite)
    framed_j = framing_j(frame_bytes)
    extra_j = send_j - link.send_j(payload_bytes) + sealing_j + framed_j - framing_j(payload_bytes)
    return Cost(send_j + tail_j, framed_j + sealing_j, extra_j)
