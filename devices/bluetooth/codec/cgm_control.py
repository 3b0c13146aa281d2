"""CGM Specific Ops Control Point (0x2AAC): communication interval, start and end of a session."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from devices.bluetooth.codec.e2e import with_crc, without_crc
from devices.bluetooth.codec.octets import Reader, Writer
from devices.bluetooth.errors import MessageMalformed


class GlucoseOp(IntEnum):
    """The procedures that we use; a sensor answers others with `OP_NOT_SUPPORTED`."""

    SET_INTERVAL = 0x01
    GET_INTERVAL = 0x02
    INTERVAL_ANSWER = 0x03
    START_SESSION = 0x1A
    STOP_SESSION = 0x1B
    ANSWER = 0x1C


class GlucoseOutcome(IntEnum):
    """How a procedure went."""

    SUCCESS = 0x01
    OP_NOT_SUPPORTED = 0x02
    INVALID_OPERAND = 0x03
    NOT_COMPLETED = 0x04
    OUT_OF_RANGE = 0x05


@dataclass(frozen=True, slots=True)
class GlucoseCommand:
    """A request. op: kept as a number, since a sensor must answer what it does not know, too."""

    op: int
    operand: bytes = b""

    def encode(self, *, crc: bool) -> bytes:
        """Return the control point's value."""
        body = Writer().u8(self.op).raw(self.operand).done()
        return with_crc(body) if crc else body

    @classmethod
    def decode(cls, data: bytes, *, crc: bool) -> GlucoseCommand:
        """Read a request. Raises MessageMalformed or CrcWrong."""
        reader = Reader(without_crc(data) if crc else data)
        return cls(reader.u8(), reader.rest())


@dataclass(frozen=True, slots=True)
class GlucoseReply:
    """An answer: the communication interval in minutes, or how the request `to` went."""

    to: int = 0
    outcome: GlucoseOutcome = GlucoseOutcome.SUCCESS
    interval_min: int | None = None

    def encode(self, *, crc: bool) -> bytes:
        """Return the control point's value."""
        if self.interval_min is not None:
            body = Writer().u8(GlucoseOp.INTERVAL_ANSWER).u8(self.interval_min).done()
        else:
            body = Writer().u8(GlucoseOp.ANSWER).u8(self.to).u8(self.outcome).done()
        return with_crc(body) if crc else body

    @classmethod
    def decode(cls, data: bytes, *, crc: bool) -> GlucoseReply:
        """Read an answer. Raises MessageMalformed or CrcWrong."""
        reader = Reader(without_crc(data) if crc else data)
        op = reader.u8()
        if op == GlucoseOp.INTERVAL_ANSWER:
            found = cls(interval_min=reader.u8())
        elif op == GlucoseOp.ANSWER:
            to, outcome = reader.u8(), reader.u8()
            if outcome not in list(GlucoseOutcome):
                raise MessageMalformed(f"glucose control: outcome {outcome:#04x} is reserved")
            found = cls(to, GlucoseOutcome(outcome))
        else:
            raise MessageMalformed(f"glucose control: {op:#04x} is no answer")
        reader.end()
        return found
