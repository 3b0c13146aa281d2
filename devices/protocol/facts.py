"""What a gateway did on its own, told as a frame: sealed, counted and acknowledged like readings of the device.

A fact has a number of its own among the facts of its device. Its payload is `seq u64 || t f64 || JSON`, at most 4 KiB.
"""

from __future__ import annotations

import math
import struct
from enum import StrEnum
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from devices.errors import FrameMalformed, FrameOversized, FrameTruncated, ReadingNotFinite
from devices.protocol.frames import LIMIT_63

MAX_FACT_BYTES = 4096
_HEAD = struct.Struct(">Qd")
Words = Annotated[str, Meta(max_length=400)]
Name = Annotated[str, Meta(max_length=40)]


class FactKind(StrEnum):
    """What sort of fact."""

    ACTED = "acted"  # a command went to a device, and it took it
    ALARM = "alarm"  # a rule held, and people have to act
    RESUMED = "resumed"  # insulin was given back
    OVER = "over"  # what an alarm was about has ended
    ACKNOWLEDGED = "acknowledged"  # somebody at the gateway saw an alarm
    CLOCK = "clock"  # how far a device's clock is off, by the gateway's
    SENDING = "sending"  # how it sends the device's readings now, and why
    SET = "set"  # it follows other settings of the server
    DROPPED = "dropped"  # what it gave up, because its disk was full
    LINK = "link"  # how well it hears a device
    ABOUT = "about"  # what a device says of itself: its firmware, serial number, model and maker


SWITCHED_OFF = "switched_off"  # among the values of OVER: the rule was, and nobody measured that anything ended
QUIET = frozenset(
    {FactKind.CLOCK, FactKind.SENDING, FactKind.LINK, FactKind.ABOUT}
)  # news of no urgency, which no log has to hold


class Fact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One fact about a device. t: when, s since the Unix epoch. alarm: the gateway's number of what it belongs to.

    seen, done: sentences for people. cut_off: the server could not be reached then. values, texts: the numbers in them,
    and what a device says of itself.
    """

    device_id: Annotated[int, Meta(ge=1)]
    t: float
    kind: FactKind
    rule: Annotated[str, Meta(pattern="^[a-z_]{1,40}$")]
    alarm: Annotated[int, Meta(ge=0)]
    seen: Words
    done: Words
    cut_off: bool
    values: Annotated[dict[Name, float], Meta(max_length=16)] = {}
    texts: Annotated[dict[Name, Annotated[str, Meta(max_length=120)]], Meta(max_length=8)] = {}


class ToldFact(NamedTuple):
    """A fact with its number among those of its device."""

    seq: int
    fact: Fact


def encode_fact(seq: int, fact: Fact) -> bytes:
    """Return the payload. Raises FrameMalformed or FrameOversized."""
    if not 0 <= seq < LIMIT_63 or not math.isfinite(fact.t):
        raise FrameMalformed("a fact needs a sequence number below 2^63 and a time")
    payload = _HEAD.pack(seq, fact.t) + msgspec.json.encode(fact)
    if len(payload) > MAX_FACT_BYTES:
        raise FrameOversized(f"a fact of {len(payload)} bytes is over the {MAX_FACT_BYTES} that are allowed")
    return payload


def decode_fact(device: int, payload: bytes) -> ToldFact:
    """Return the fact of one opened frame of that device.

    Raises FrameOversized, FrameTruncated, FrameMalformed or ReadingNotFinite.
    """
    if len(payload) > MAX_FACT_BYTES:
        raise FrameOversized(f"a fact of {len(payload)} bytes is over the {MAX_FACT_BYTES} that are allowed")
    if len(payload) < _HEAD.size:
        raise FrameTruncated("the payload ends inside its head")
    seq, t = _HEAD.unpack_from(payload)
    try:
        fact = msgspec.json.decode(payload[_HEAD.size :], type=Fact)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FrameMalformed("the fact is not of the agreed form") from error
    if seq >= LIMIT_63 or fact.device_id != device:
        raise FrameMalformed("the fact's number or device is not that of its frame")
    if not math.isfinite(t) or t != fact.t or not all(math.isfinite(value) for value in fact.values.values()):
        raise ReadingNotFinite("a time or a value of the fact is not a number")
    return ToldFact(seq, fact)
