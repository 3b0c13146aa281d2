"""What it costs a gateway to prove itself: a pairing once, a greeting at every connection and every day in between.

Bytes are those of real messages (`python -m benchmarks.link.handshake`; a test holds this table against them). Cycles
are published ones of a Cortex-M4, counted by what the protocol does (docs/wire-protocol.md); hashes and MACs are not in
it, nor are TLS, TCP and the radio's tail, which a connection has with or without a greeting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from devices.energy.cost import Cost
from devices.energy.cpu import CLOCK_HZ, JOULES_PER_CYCLE
from devices.energy.links import Link


class Cycles(NamedTuple):
    """Processor cycles of each operation."""

    exchange: float = 2.55e6  # X25519, for a public key as for a shared secret
    make: float = 1.01e6  # of an Ed25519 public key
    sign: float = 1.28e6
    verify: float = 2.93e6
    kem_make: float = 0.64e6  # ML-KEM-768
    kem_open: float = 0.71e6


CYCLES = Cycles()
SOURCE = (
    "X25519 and Ed25519: wolfSSL's published benchmarks of STM32 boards, NUCLEO-L4A6ZG, Cortex-M4 at 80 MHz with Thumb "
    "assembler, version 5.6.4: 32.0 ms for a key, 31.6 ms to agree, 12.6 ms for a signing key, 16.0 ms to sign, 36.6 "
    "ms to verify (P); the same without assembler takes 20 to 60 times as long. ML-KEM-768: pqm4, m4fspeed, 642,096 "
    "cycles for a key and 707,827 to open (P). How often each is done: counted in the protocol; hashes left out (E)."
)


@dataclass(frozen=True, slots=True)
class Act:
    """Something that a gateway does to be believed. up, down: bytes of the messages that leave and come.

    The counts are of what it computes, as in `Cycles`.
    """

    label: str
    often: str
    up: tuple[int, ...]
    down: tuple[int, ...]
    exchanges: int
    made: int
    signed: int
    verified: int
    kem_made: int = 0
    kem_opened: int = 0

    @property
    def cycles(self) -> float:
        """Processor cycles of the gateway."""
        return (
            self.exchanges * CYCLES.exchange
            + self.made * CYCLES.make
            + self.signed * CYCLES.sign
            + self.verified * CYCLES.verify
            + self.kem_made * CYCLES.kem_make
            + self.kem_opened * CYCLES.kem_open
        )

    @property
    def busy_s(self) -> float:
        """How long a small processor computes, in s."""
        return self.cycles / CLOCK_HZ

    def cost(self, link: Link) -> Cost:
        """Return what it costs over a link; all of it is security's."""
        radio_j = sum(link.send_j(size) for size in self.up)
        radio_j += sum(link.receive_w * link.air_s(size) for size in self.down)
        cpu_j = self.cycles * JOULES_PER_CYCLE
        return Cost(radio_j, cpu_j, radio_j + cpu_j)


PAIRING = Act(
    "Pairing", "once", up=(1280, 223), down=(2023, 907), exchanges=2, made=4, signed=1, verified=4, kem_made=1,
    kem_opened=1,
)  # fmt: skip
GREETING = Act(
    "Greeting",
    "at every connection, and every day",
    up=(444,),
    down=(124, 923),
    exchanges=2,
    made=0,
    signed=1,
    verified=2,
)
ACTS = (PAIRING, GREETING)
