"""Insulin Delivery Service 1.0.1 (0x183A): features, status, status changed, annunciation, with E2E protection.

Protected messages end in an E2E counter (1 to 255, then 1 again) and an E2E-CRC over everything before it.
Codes have a Hamming distance of at least four, so that two flipped bits never turn one into another.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import TypeVar

from devices.bluetooth.codec.e2e import with_crc, without_crc
from devices.bluetooth.codec.medical_float import Number
from devices.bluetooth.codec.octets import Reader, Writer, check_flags
from devices.bluetooth.errors import CounterRepeated, MessageMalformed, MessageTruncated

E = TypeVar("E", bound=IntEnum)
E2E_SUPPORTED = 0x01
RESERVOIR_ATTACHED = 0x01
_ANNUNCIATION_PRESENT, _AUXILIARY = 0x01, (0x02, 0x04, 0x08, 0x10, 0x20)


class Therapy(IntEnum):
    """Therapy control state."""

    UNDETERMINED = 0x0F
    STOP = 0x33
    PAUSE = 0x3C
    RUN = 0x55


class Operation(IntEnum):
    """Operational state."""

    UNDETERMINED = 0x0F
    OFF = 0x33
    STANDBY = 0x3C
    PREPARING = 0x55
    PRIMING = 0x5A
    WAITING = 0x66
    READY = 0x96


class Annunciation(IntEnum):
    """What a pump calls out; the kinds that we tell apart."""

    SYSTEM_ISSUE = 0x000F
    MECHANICAL_ISSUE = 0x0033
    OCCLUSION = 0x003C
    RESERVOIR_ISSUE = 0x0055
    RESERVOIR_EMPTY = 0x005A
    RESERVOIR_LOW = 0x0066
    PRIMING_ISSUE = 0x0069
    SET_INCOMPLETE = 0x0096
    SET_DETACHED = 0x0099
    POWER_INSUFFICIENT = 0x00A5
    BATTERY_EMPTY = 0x00AA
    BATTERY_LOW = 0x00C3
    BATTERY_MEDIUM = 0x00CC
    BATTERY_FULL = 0x00F0
    TEMPERATURE_OUT_OF_RANGE = 0x00FF
    AIR_PRESSURE_OUT_OF_RANGE = 0x0303
    BOLUS_CANCELED = 0x030C
    TBR_OVER = 0x0330
    TBR_CANCELED = 0x033F
    MAX_DELIVERY = 0x0356
    DATE_TIME_ISSUE = 0x0359
    TEMPERATURE = 0x0365


class Attention(IntEnum):
    """What became of an annunciation; a confirmed one is no longer active."""

    UNDETERMINED = 0x0F
    PENDING = 0x33
    SNOOZED = 0x3C
    CONFIRMED = 0x55


class Changed(IntFlag):
    """IDD Status Changed (0x2B20): what a collector should look at again."""

    THERAPY = 0x01
    OPERATION = 0x02
    RESERVOIR = 0x04
    ANNUNCIATION = 0x08
    TOTAL_DAILY = 0x10
    BASAL_RATE = 0x20
    BOLUS = 0x40
    HISTORY = 0x80


def protected(body: bytes, counter: int) -> bytes:
    """Return the message with E2E counter and E2E-CRC."""
    return with_crc(body + bytes([counter]))


def opened(data: bytes) -> tuple[bytes, int]:
    """Return body and E2E counter. Raises MessageTruncated, MessageMalformed or CrcWrong."""
    body = without_crc(data)
    if not body:
        raise MessageTruncated("too short for its E2E counter")
    if body[-1] == 0:
        raise MessageMalformed("insulin delivery: E2E counter 0 is reserved")
    return body[:-1], body[-1]


class CounterWatch:
    """Follows the E2E counter of one characteristic on one connection."""

    def __init__(self) -> None:
        self._last = 0

    def follow(self, data: bytes) -> bytes:
        """Return the body of a message that is newer than the last. Raises CounterRepeated, or as `opened`."""
        body, counter = opened(data)
        if counter == self._last:
            raise CounterRepeated(f"E2E counter {counter} came twice")
        self._last = counter
        return body


def next_counter(counter: int) -> int:
    """Return the counter that follows."""
    return counter % 255 + 1


def known(kind: type[E], number: int) -> E:
    """Return the member. Raises MessageMalformed for a reserved number."""
    try:
        return kind(number)
    except ValueError as error:
        raise MessageMalformed(f"insulin delivery: {kind.__name__.lower()} {number:#04x} is reserved") from error


@dataclass(frozen=True, slots=True)
class InsulinFeatures:
    """IDD Features (0x2B23): always with CRC and counter, in front, and counter 0. concentration: units per mL."""

    concentration: Number = 100.0
    flags: int = E2E_SUPPORTED

    def encode(self) -> bytes:
        """Return the characteristic's value."""
        body = Writer().u8(0).sfloat(self.concentration).uint(self.flags, 3).done()
        return with_crc(body)[-2:] + body

    @classmethod
    def decode(cls, data: bytes) -> InsulinFeatures:
        """Read the characteristic's value. Raises MessageMalformed or CrcWrong."""
        body = without_crc(data[2:] + data[:2])
        reader = Reader(body)
        reader.u8()
        found = cls(reader.sfloat(), reader.uint(3))
        reader.end()
        return found


@dataclass(frozen=True, slots=True)
class InsulinStatus:
    """IDD Status (0x2B21), without its protection. reservoir_u: units left."""

    therapy: Therapy
    operation: Operation
    reservoir_u: Number
    attached: bool = True

    def encode(self) -> bytes:
        """Return the body."""
        body = Writer().u8(self.therapy).u8(self.operation).sfloat(self.reservoir_u)
        return body.u8(RESERVOIR_ATTACHED if self.attached else 0).done()

    @classmethod
    def decode(cls, body: bytes) -> InsulinStatus:
        """Read the body. Raises MessageMalformed."""
        reader = Reader(body)
        therapy, operation = known(Therapy, reader.u8()), known(Operation, reader.u8())
        reservoir = reader.sfloat()
        flags = check_flags(reader.u8(), RESERVOIR_ATTACHED, "insulin status")
        reader.end()
        return cls(therapy, operation, reservoir, bool(flags))


def encode_changed(changed: Changed) -> bytes:
    """Return the body of IDD Status Changed."""
    return Writer().u16(int(changed)).done()


def decode_changed(body: bytes) -> Changed:
    """Read the body of IDD Status Changed. Raises MessageMalformed."""
    reader = Reader(body)
    flags = check_flags(reader.u16(), 0xFF, "insulin status changed")
    reader.end()
    return Changed(flags)


@dataclass(frozen=True, slots=True)
class AnnunciationStatus:
    """IDD Annunciation Status (0x2B22), without its protection: the newest annunciation, with up to five words."""

    number: int
    kind: Annunciation
    attention: Attention
    auxiliary: tuple[int, ...] = ()

    def encode(self) -> bytes:
        """Return the body."""
        flags = _ANNUNCIATION_PRESENT | sum(_AUXILIARY[: len(self.auxiliary)])
        writer = Writer().u8(flags).u16(self.number).u16(self.kind).u8(self.attention)
        for word in self.auxiliary:
            writer.u16(word)
        return writer.done()

    @classmethod
    def decode(cls, body: bytes) -> AnnunciationStatus | None:
        """Read the body; None when there was none yet. Raises MessageMalformed."""
        reader = Reader(body)
        flags = check_flags(reader.u8(), _ANNUNCIATION_PRESENT | sum(_AUXILIARY), "insulin annunciation")
        if not flags & _ANNUNCIATION_PRESENT:
            reader.end()
            return None
        number, kind, attention = reader.u16(), known(Annunciation, reader.u16()), known(Attention, reader.u8())
        words = tuple(reader.u16() for bit in _AUXILIARY if flags & bit)
        reader.end()
        return cls(number, kind, attention, words)
