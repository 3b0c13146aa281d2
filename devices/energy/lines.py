"""What each line adds to a frame until its acknowledgement is heard, and what that costs over a radio.

The bytes are those of real messages, written by the libraries that a gateway uses: `benchmarks/link/encoded.py` makes
them again, and a test holds this table against them. Below them lie packets, whose headers follow the standards, and
radios as `devices.energy.links` models them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from devices.energy.cost import HEADER_BYTES, SEAL_BYTES, Cost
from devices.energy.cpu import CLOCK_HZ, JOULES_PER_CYCLE, framing_j, seal_j
from devices.energy.links import Link
from devices.protocol.suites import Suite

TCP_STACK_BYTES = 20 + 32  # IPv4 (RFC 791); TCP with time stamps (RFC 9293, RFC 7323)
UDP_STACK_BYTES = 20 + 8  # IPv4; UDP (RFC 768)
RECORD_BYTES = 5 + 1 + 16  # TLS 1.3 around each message: header, type, tag (RFC 8446, section 5.2)
RECORD_HEADER_BYTES = 5  # its associated data
SOURCE = (
    "What WebSocket (websockets), MQTT 5 (paho) and CoAP with OSCORE (aiocoap) write around a frame of twenty "
    "readings, and what comes back for it: measured, `python -m benchmarks.link encoded`. TLS 1.3 takes 22 bytes of "
    "each message (RFC 8446), IPv4 20 of each packet, TCP with time stamps 32 (RFC 9293, RFC 7323), UDP 8 (RFC 768) "
    "(D). An answer over CoAP is taken to need an acknowledgement first, and one over TCP a bare segment after it (E). "
    "TLS and OSCORE are reckoned with the cycles of AES-128-GCM in software (E)."
)
MEASURED_FRAME_BYTES = 294  # twenty readings, sealed: at other lengths a length field may take a byte or two less


@dataclass(frozen=True, slots=True)
class Exchange:
    """One frame and what comes back for it, as messages of the line.

    around: bytes around the frame. heard: of each message that comes back. answered: of each that leaves after it; 0 is
    a bare acknowledgement of TCP.
    """

    around: int
    heard: tuple[int, ...]
    answered: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A way to the server. plain: without any protection of the line's own; secured: with TLS or OSCORE."""

    label: str
    protection: str
    stack_bytes: int
    plain: Exchange
    secured: Exchange


def _in_tls(plain: Exchange) -> Exchange:
    return Exchange(plain.around + RECORD_BYTES, tuple(size + RECORD_BYTES for size in plain.heard), plain.answered)


_WEBSOCKET = Exchange(around=10, heard=(45,), answered=(0,))
_MQTT = Exchange(around=72, heard=(4, 177), answered=(0,))
LINES: Mapping[str, Line] = MappingProxyType(
    {
        "websocket": Line("WebSocket", "TLS 1.3", TCP_STACK_BYTES, _WEBSOCKET, _in_tls(_WEBSOCKET)),
        "mqtt": Line("MQTT 5", "TLS 1.3", TCP_STACK_BYTES, _MQTT, _in_tls(_MQTT)),
        # A commit may take over 50 ms: the request is acknowledged, then answered, and that acknowledged in turn.
        "coap": Line(
            "CoAP",
            "OSCORE",
            UDP_STACK_BYTES,
            Exchange(around=39, heard=(4, 51), answered=(4,)),
            Exchange(around=60, heard=(4, 68), answered=(4,)),
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Way:
    """A frame's way over a line, under a cipher, or with suite None with nothing protected at all.

    up_bytes, down_bytes: on the air, headers of every layer included. busy_s: airtime, and the processor sealing.
    """

    line: Line
    suite: Suite | None
    up_bytes: int
    down_bytes: int
    busy_s: float
    cost: Cost

    @property
    def label(self) -> str:
        """How the way is called."""
        return f"{self.line.label}, {self.suite.facts.label if self.suite else 'unprotected'}"


def ways(link: Link, payload_bytes: float, *, staying_j: float = 0.0) -> Iterator[Way]:
    """Yield every line under every cipher, each after the same line with nothing protected.

    staying_j: what a message costs beside its sending, the same on every way: a radio that stays up after it.
    """
    for line in LINES.values():
        bare = _way(link, line, payload_bytes, None, staying_j)
        yield bare
        for suite in Suite:
            way = _way(link, line, payload_bytes, suite, staying_j)
            yield replace(way, cost=replace(way.cost, security_j=way.cost.total_j - bare.cost.total_j))


def _way(link: Link, line: Line, payload_bytes: float, suite: Suite | None, staying_j: float) -> Way:
    exchange = line.secured if suite else line.plain
    below = replace(link, packet_overhead_bytes=link.packet_overhead_bytes - link.stack_bytes + line.stack_bytes)
    frame_bytes = payload_bytes + (SEAL_BYTES if suite else 0)
    left = (frame_bytes + exchange.around, *exchange.answered)
    radio_j = below.send_j(left[0]) + sum(below.send_j(size) - below.wake_j for size in left[1:])
    radio_j += sum(below.receive_w * below.air_s(size) for size in exchange.heard)
    sealing_j = _sealing_j(payload_bytes, suite, [size for size in (*left, *exchange.heard) if size > RECORD_BYTES])
    air_s = sum(below.air_s(size) for size in (*left, *exchange.heard))
    return Way(
        line,
        suite,
        round(sum(below.air_bytes(size) for size in left)),
        round(sum(below.air_bytes(size) for size in exchange.heard)),
        air_s + sealing_j / JOULES_PER_CYCLE / CLOCK_HZ,
        Cost(radio_j + staying_j, framing_j(frame_bytes) + sealing_j),
    )


def _sealing_j(payload_bytes: float, suite: Suite | None, messages: list[float]) -> float:
    """Return the energy of the frame's seal and of the line's own, which is AES in both TLS and OSCORE (E)."""
    if suite is None:
        return 0.0
    return seal_j(payload_bytes, HEADER_BYTES, suite) + sum(
        seal_j(size, RECORD_HEADER_BYTES, Suite.AES_128_GCM) for size in messages
    )
