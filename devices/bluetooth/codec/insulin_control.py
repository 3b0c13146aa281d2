"""The control points of the Insulin Delivery Service: status reader (0x2B24) and record access (0x2B27).

Bodies only; both directions carry E2E counter and CRC around them (`insulin.protected`). Commands that would change
the therapy (IDD Command Control Point) are left out on purpose: the gateway of this house reads pumps.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from devices.bluetooth.codec.insulin import known
from devices.bluetooth.codec.medical_float import Number
from devices.bluetooth.codec.octets import Reader, Writer, check_flags
from devices.bluetooth.errors import MessageMalformed

_TBR, _TBR_TEMPLATE, _CONTEXT = 0x01, 0x02, 0x04
TBR_ABSOLUTE, TBR_RELATIVE = 0x33, 0x3C


class ReaderOp(IntEnum):
    """IDD Status Reader Control Point: the procedures that we use."""

    ANSWER = 0x0303
    RESET_STATUS = 0x030C
    GET_BASAL = 0x0365
    BASAL = 0x036A
    GET_DELIVERED = 0x03C0
    DELIVERED = 0x03CF


class Result(IntEnum):
    """How a procedure went."""

    SUCCESS = 0x0F
    OP_NOT_SUPPORTED = 0x70
    INVALID_OPERAND = 0x71
    NOT_COMPLETED = 0x72
    OUT_OF_RANGE = 0x73
    NOT_APPLICABLE = 0x74


@dataclass(frozen=True, slots=True)
class ReaderAnswer:
    """How the request `to` went."""

    to: int
    result: Result


@dataclass(frozen=True, slots=True)
class BasalDelivery:
    """The active basal rate, units per hour; a temporary rate in force replaces the profile's."""

    template: int
    profile_u_per_h: Number
    temporary_u_per_h: Number | None = None

    @property
    def u_per_h(self) -> Number:
        """What flows now."""
        return self.profile_u_per_h if self.temporary_u_per_h is None else self.temporary_u_per_h


@dataclass(frozen=True, slots=True)
class Delivered:
    """Units delivered since the counters were last reset."""

    bolus_u: Number
    basal_u: Number


Reply = ReaderAnswer | BasalDelivery | Delivered


def encode_request(op: int, operand: bytes = b"") -> bytes:
    """Return a request to the status reader."""
    return Writer().u16(op).raw(operand).done()


def decode_request(body: bytes) -> tuple[int, bytes]:
    """Return op code and operand. Raises MessageTruncated."""
    reader = Reader(body)
    return reader.u16(), reader.rest()


def encode_reply(reply: Reply) -> bytes:
    """Return an answer of the status reader."""
    match reply:
        case ReaderAnswer(to, result):
            return Writer().u16(ReaderOp.ANSWER).u16(to).u8(result).done()
        case BasalDelivery(template, profile, temporary):
            writer = Writer().u16(ReaderOp.BASAL).u8(0 if temporary is None else _TBR).u8(template).sfloat(profile)
            if temporary is not None:
                writer.u8(TBR_ABSOLUTE).sfloat(temporary).u16(0).u16(0)
            return writer.done()
        case Delivered(bolus, basal):
            return Writer().u16(ReaderOp.DELIVERED).float32(bolus).float32(basal).done()


def decode_reply(body: bytes) -> Reply:
    """Read an answer of the status reader. Raises MessageMalformed."""
    reader = Reader(body)
    reply: Reply
    match reader.u16():
        case ReaderOp.ANSWER:
            reply = ReaderAnswer(reader.u16(), known(Result, reader.u8()))
        case ReaderOp.BASAL:
            reply = _read_basal(reader)
        case ReaderOp.DELIVERED:
            reply = Delivered(reader.float32(), reader.float32())
        case op:
            raise MessageMalformed(f"insulin status reader: {op:#06x} is no answer")
    reader.end()
    return reply


def _read_basal(reader: Reader) -> BasalDelivery:
    flags = check_flags(reader.u8(), _TBR | _TBR_TEMPLATE | _CONTEXT, "basal delivery")
    template, profile = reader.u8(), reader.sfloat()
    temporary: Number | None = None
    if flags & _TBR:
        kind, value = reader.u8(), reader.sfloat()
        reader.take(4)  # programmed and remaining minutes
        if kind not in (TBR_ABSOLUTE, TBR_RELATIVE):
            raise MessageMalformed(f"basal delivery: kind {kind:#04x} of temporary rate")
        temporary = value
        if kind == TBR_RELATIVE and isinstance(value, float) and isinstance(profile, float):
            temporary = profile * value / 100.0
    reader.take(1 if flags & _TBR_TEMPLATE else 0)
    reader.take(1 if flags & _CONTEXT else 0)
    return BasalDelivery(template, profile, temporary)


class RecordOp(IntEnum):
    """IDD Record Access Control Point: op codes."""

    ANSWER = 0x0F
    REPORT = 0x33
    DELETE = 0x3C
    ABORT = 0x55
    COUNT = 0x5A
    COUNT_ANSWER = 0x66


class RecordOperator(IntEnum):
    """Which records."""

    NULL = 0x0F
    ALL = 0x33
    UP_TO = 0x3C
    FROM = 0x55
    RANGE = 0x5A
    FIRST = 0x66
    LAST = 0x69


class RecordFilter(IntEnum):
    """What the bounds count."""

    NUMBER = 0x0F
    REFERENCE_TIMES = 0x33
    OTHERS = 0x3C


class RecordResult(IntEnum):
    """How a request went."""

    OP_NOT_SUPPORTED = 0x02
    INVALID_OPERATOR = 0x03
    OPERATOR_NOT_SUPPORTED = 0x04
    INVALID_OPERAND = 0x05
    NO_RECORDS = 0x06
    ABORT_UNSUCCESSFUL = 0x07
    NOT_COMPLETED = 0x08
    OPERAND_NOT_SUPPORTED = 0x09
    NOT_APPLICABLE = 0x0A
    SUCCESS = 0xF0


_BOUNDS = {RecordOperator.UP_TO: 1, RecordOperator.FROM: 1, RecordOperator.RANGE: 2}
_FILTERED = {*_BOUNDS, RecordOperator.FIRST, RecordOperator.LAST, RecordOperator.ALL}


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """A request for stored events; bounds are sequence numbers, inclusive."""

    op: RecordOp
    operator: RecordOperator = RecordOperator.NULL
    filter: RecordFilter | None = None
    bounds: tuple[int, ...] = ()

    def selects(self, number: int) -> bool:
        """Tell whether the bounds take an event with that number."""
        low, high = 0, number
        if self.operator is RecordOperator.FROM:
            low = self.bounds[0]
        elif self.operator is RecordOperator.UP_TO:
            high = self.bounds[0]
        elif self.operator is RecordOperator.RANGE:
            low, high = self.bounds
        return low <= number <= high

    def encode(self) -> bytes:
        """Return the body."""
        writer = Writer().u8(self.op).u8(self.operator)
        if self.filter is not None:
            writer.u8(self.filter)
        for bound in self.bounds:
            writer.u32(bound)
        return writer.done()

    @classmethod
    def decode(cls, body: bytes) -> HistoryRequest:
        """Read the body. Raises MessageMalformed."""
        reader = Reader(body)
        op, operator = known(RecordOp, reader.u8()), known(RecordOperator, reader.u8())
        filter_ = known(RecordFilter, reader.u8()) if operator in _FILTERED and not reader.empty else None
        if operator in _BOUNDS and filter_ is None:
            raise MessageMalformed("insulin record access: a bound without a filter")
        bounds = tuple(reader.u32() for _ in range(_BOUNDS.get(operator, 0)))
        reader.end()
        if len(bounds) == 2 and bounds[0] > bounds[1]:
            raise MessageMalformed("insulin record access: the range ends before it begins")
        return cls(op, operator, filter_, bounds)


@dataclass(frozen=True, slots=True)
class HistoryAnswer:
    """The number of stored events, or how the request `to` went."""

    to: RecordOp | None = None
    result: RecordResult | None = None
    count: int | None = None

    def encode(self) -> bytes:
        """Return the body."""
        if self.count is not None:
            return Writer().u8(RecordOp.COUNT_ANSWER).u8(RecordOperator.NULL).u32(self.count).done()
        return Writer().u8(RecordOp.ANSWER).u8(RecordOperator.NULL).u8(self.to or 0).u8(self.result or 0).done()

    @classmethod
    def decode(cls, body: bytes) -> HistoryAnswer:
        """Read the body. Raises MessageMalformed."""
        reader = Reader(body)
        op = known(RecordOp, reader.u8())
        if reader.u8() != RecordOperator.NULL or op not in (RecordOp.ANSWER, RecordOp.COUNT_ANSWER):
            raise MessageMalformed("insulin record access: not an answer")
        if op is RecordOp.COUNT_ANSWER:
            found = cls(count=reader.u32())
        else:
            found = cls(to=known(RecordOp, reader.u8()), result=known(RecordResult, reader.u8()))
        reader.end()
        return found
