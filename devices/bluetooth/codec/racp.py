"""Record Access Control Point (0x2A52): how a collector asks for the records that a sensor keeps.

The glucose service filters by time offset (2 bytes), our log service by sequence number (4 bytes): the width of an
operand belongs to the service, so it is given here. (GATT Specification Supplement, "Record Access Control Point".)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from devices.bluetooth.codec.octets import Reader, Writer
from devices.bluetooth.errors import MessageMalformed


class Op(IntEnum):
    """What is asked or answered."""

    REPORT = 0x01
    DELETE = 0x02
    ABORT = 0x03
    COUNT = 0x04
    COUNT_ANSWER = 0x05
    ANSWER = 0x06


class Operator(IntEnum):
    """Which records."""

    NULL = 0x00
    ALL = 0x01
    UP_TO = 0x02
    FROM = 0x03
    RANGE = 0x04
    FIRST = 0x05
    LAST = 0x06


class Outcome(IntEnum):
    """How it went."""

    SUCCESS = 0x01
    OP_NOT_SUPPORTED = 0x02
    INVALID_OPERATOR = 0x03
    OPERATOR_NOT_SUPPORTED = 0x04
    INVALID_OPERAND = 0x05
    NO_RECORDS = 0x06
    ABORT_UNSUCCESSFUL = 0x07
    NOT_COMPLETED = 0x08
    OPERAND_NOT_SUPPORTED = 0x09


E = TypeVar("E", bound=IntEnum)
FILTER = 0x01  # time offset or sequence number: whatever numbers the service's records
_OPERANDS = {Operator.UP_TO: 1, Operator.FROM: 1, Operator.RANGE: 2}


@dataclass(frozen=True, slots=True)
class RecordRequest:
    """A request to a sensor. operands: none, one bound, or both bounds of a range, inclusive."""

    op: Op
    operator: Operator = Operator.NULL
    operands: tuple[int, ...] = ()

    def selects(self, key: int) -> bool:
        """Tell whether the filter takes a record with that number; FIRST and LAST are the sensor's business."""
        low, high = 0, key
        if self.operator is Operator.FROM:
            low = self.operands[0]
        elif self.operator is Operator.UP_TO:
            high = self.operands[0]
        elif self.operator is Operator.RANGE:
            low, high = self.operands
        return low <= key <= high

    def encode(self, width: int) -> bytes:
        """Return the control point's value; `width`: bytes of an operand."""
        writer = Writer().u8(self.op).u8(self.operator)
        if self.operands:
            writer.u8(FILTER)
        for operand in self.operands:
            writer.uint(operand, width)
        return writer.done()

    @classmethod
    def decode(cls, data: bytes, width: int) -> RecordRequest:
        """Read a request. Raises MessageMalformed."""
        reader = Reader(data)
        op, operator = _known(Op, reader.u8()), _known(Operator, reader.u8())
        count = _OPERANDS.get(operator, 0)
        if count and reader.u8() != FILTER:
            raise MessageMalformed("record access: unknown filter type")
        operands = tuple(reader.uint(width) for _ in range(count))
        reader.end()
        if count == 2 and operands[0] > operands[1]:
            raise MessageMalformed("record access: the range ends before it begins")
        return cls(op, operator, operands)


@dataclass(frozen=True, slots=True)
class RecordAnswer:
    """A sensor's answer: the number of records, or how the request `to` went."""

    to: Op | None = None
    outcome: Outcome | None = None
    count: int | None = None

    def encode(self) -> bytes:
        """Return the control point's value."""
        if self.count is not None:
            return Writer().u8(Op.COUNT_ANSWER).u8(Operator.NULL).u16(self.count).done()
        return Writer().u8(Op.ANSWER).u8(Operator.NULL).u8(self.to or 0).u8(self.outcome or 0).done()

    @classmethod
    def decode(cls, data: bytes) -> RecordAnswer:
        """Read an answer. Raises MessageMalformed."""
        reader = Reader(data)
        op, operator = _known(Op, reader.u8()), reader.u8()
        if operator != Operator.NULL or op not in (Op.ANSWER, Op.COUNT_ANSWER):
            raise MessageMalformed("record access: not an answer")
        if op is Op.COUNT_ANSWER:
            found = cls(count=reader.u16())
        else:
            found = cls(to=_known(Op, reader.u8()), outcome=_known(Outcome, reader.u8()))
        reader.end()
        return found


def _known(kind: type[E], number: int) -> E:
    try:
        return kind(number)
    except ValueError as error:
        raise MessageMalformed(f"record access: {kind.__name__.lower()} {number:#04x} is reserved") from error
