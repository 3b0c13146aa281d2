"""IDD History Data (0x2B28): numbered events whose time is the offset from the reference time event before them.

Only events that carry a measurement of ours are read in full; all others keep their bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from devices.bluetooth.codec.insulin import (
    Annunciation,
    Attention,
    known,
    opened,
    protected,
)
from devices.bluetooth.codec.medical_float import Number
from devices.bluetooth.codec.moments import LocalMoment
from devices.bluetooth.codec.octets import Reader, Writer, check_flags

_CONTEXT = 0x01
_AUXILIARY = (0x01, 0x02)


class EventType(IntEnum):
    """The events that we read."""

    REFERENCE_TIME = 0x000F
    BOLUS_DELIVERED = 0x0069  # part 1 of 2
    BASAL_RATE_CHANGED = 0x0099
    RESERVOIR_CHANGED = 0x0330
    ANNUNCIATION_CHANGED = 0x033F  # part 1 of 2


class Reason(IntEnum):
    """Why a reference time was recorded."""

    UNDETERMINED = 0x0F
    SET = 0x33
    PERIODIC = 0x3C
    LOST = 0x55


class BolusKind(IntEnum):
    """How a bolus was given."""

    UNDETERMINED = 0x0F
    FAST = 0x33
    EXTENDED = 0x3C
    MULTIWAVE = 0x55


class Context(IntEnum):
    """Who set a basal rate."""

    UNDETERMINED = 0x0F
    DEVICE = 0x33
    REMOTE = 0x3C
    CONTROLLER = 0x55


@dataclass(frozen=True, slots=True)
class ReferenceTime:
    """From here on, offsets count from `moment`."""

    moment: LocalMoment
    reason: Reason = Reason.PERIODIC


@dataclass(frozen=True, slots=True)
class BolusDelivered:
    """A bolus that ended: units given at once and over time."""

    number: int
    kind: BolusKind
    fast_u: Number
    extended_u: Number
    duration_min: int = 0


@dataclass(frozen=True, slots=True)
class BasalRateChanged:
    """The basal rate that flows from now on, units per hour."""

    old_u_per_h: Number
    new_u_per_h: Number
    context: Context | None = None


@dataclass(frozen=True, slots=True)
class ReservoirChanged:
    """Units left."""

    left_u: Number


@dataclass(frozen=True, slots=True)
class AnnunciationChanged:
    """The pump called out, or somebody answered. auxiliary: up to two words."""

    number: int
    kind: Annunciation
    attention: Attention
    auxiliary: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class OtherEvent:
    """An event that carries none of our measurements."""

    type: int
    data: bytes


Event = ReferenceTime | BolusDelivered | BasalRateChanged | ReservoirChanged | AnnunciationChanged | OtherEvent


@dataclass(frozen=True, slots=True)
class HistoryRecord:
    """One event. number: sequence number, rises by one. offset_s: since the last reference time."""

    number: int
    offset_s: int
    event: Event

    def encode(self, counter: int) -> bytes:
        """Return the characteristic's value with E2E counter and CRC."""
        kind, data = _encode_event(self.event)
        body = Writer().u16(kind).u32(self.number).u16(self.offset_s).raw(data).done()
        return protected(body, counter)

    @classmethod
    def decode(cls, data: bytes) -> HistoryRecord:
        """Read the characteristic's value. Raises MessageMalformed, CrcWrong or ValueImpossible."""
        body, _counter = opened(data)
        reader = Reader(body)
        kind, number, offset = reader.u16(), reader.u32(), reader.u16()
        event = _decode_event(kind, reader)
        reader.end()
        return cls(number, offset, event)


def _encode_event(event: Event) -> tuple[int, bytes]:
    match event:
        case ReferenceTime(moment, reason):
            return EventType.REFERENCE_TIME, moment.put(Writer().u8(reason)).done()
        case BolusDelivered(number, kind, fast, extended, duration):
            body = Writer().u16(number).u8(kind).sfloat(fast).sfloat(extended).u16(duration)
            return EventType.BOLUS_DELIVERED, body.done()
        case BasalRateChanged(old, new, context):
            body = Writer().u8(0 if context is None else _CONTEXT).sfloat(old).sfloat(new)
            return EventType.BASAL_RATE_CHANGED, (body if context is None else body.u8(context)).done()
        case ReservoirChanged(left):
            return EventType.RESERVOIR_CHANGED, Writer().sfloat(left).done()
        case AnnunciationChanged(number, what, attention, words):
            body = Writer().u8(sum(_AUXILIARY[: len(words)])).u16(number).u16(what).u8(attention)
            for word in words:
                body.u16(word)
            return EventType.ANNUNCIATION_CHANGED, body.done()
        case OtherEvent(type_, data):
            return type_, data


def _decode_event(kind: int, reader: Reader) -> Event:
    match kind:
        case EventType.REFERENCE_TIME:
            reason = known(Reason, reader.u8())
            return ReferenceTime(LocalMoment.read(reader), reason)
        case EventType.BOLUS_DELIVERED:
            number, how = reader.u16(), known(BolusKind, reader.u8())
            return BolusDelivered(number, how, reader.sfloat(), reader.sfloat(), reader.u16())
        case EventType.BASAL_RATE_CHANGED:
            flags = check_flags(reader.u8(), _CONTEXT, "basal rate changed")
            old, new = reader.sfloat(), reader.sfloat()
            return BasalRateChanged(old, new, known(Context, reader.u8()) if flags else None)
        case EventType.RESERVOIR_CHANGED:
            return ReservoirChanged(reader.sfloat())
        case EventType.ANNUNCIATION_CHANGED:
            flags = check_flags(reader.u8(), sum(_AUXILIARY), "annunciation changed")
            number, what, attention = reader.u16(), known(Annunciation, reader.u16()), known(Attention, reader.u8())
            return AnnunciationChanged(
                number, what, attention, tuple(reader.u16() for bit in _AUXILIARY if flags & bit)
            )
        case _:
            return OtherEvent(kind, reader.rest())
