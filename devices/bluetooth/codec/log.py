"""The Medtwin Measurement Log: our own service for what no adopted one carries (pillbox, infusion pump, spirometer,
respiration).

A device numbers its measurements, keeps the newest on board, notifies them as they come, and hands out missed ones
through a Record Access Control Point. A record is 20 bytes: it just fits into a notification of the smallest MTU.
The layout is docs/bluetooth.md. Values are IEEE 754 singles, as everywhere on our own wire.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

from devices.bluetooth.codec.e2e import with_crc, without_crc
from devices.bluetooth.codec.octets import Reader, Writer
from devices.bluetooth.errors import MessageMalformed, ValueImpossible

VERSION = 1
MAX_SAMPLES = 240
_MS_LIMIT = 1 << 48


@dataclass(frozen=True, slots=True)
class LogFeature:
    """Log Feature. log: drawn when the log is begun anew, so that a number never means two measurements.

    capacity: how many records the device keeps. newest: number of the newest record, 0 when there is none.
    """

    log: int
    capacity: int
    newest: int

    def encode(self) -> bytes:
        """Return the characteristic's value."""
        return with_crc(Writer().u8(VERSION).u32(self.log).u16(self.capacity).u32(self.newest).done())

    @classmethod
    def decode(cls, data: bytes) -> LogFeature:
        """Read the characteristic's value. Raises MessageMalformed or CrcWrong."""
        reader = Reader(without_crc(data))
        if (version := reader.u8()) != VERSION:
            raise MessageMalformed(f"measurement log: version {version} is unknown")
        found = cls(reader.u32(), reader.u16(), reader.u32())
        reader.end()
        return found


@dataclass(frozen=True, slots=True)
class LogRecord:
    """Log Record.

    number: rises by one from 1. t: s since the Unix epoch, kept to the millisecond. metric: 32-bit code.
    """

    number: int
    t: float
    metric: int
    value: float

    def encode(self) -> bytes:
        """Return the characteristic's value. Raises ValueImpossible for a no such time."""
        body = Writer().u32(self.number).uint(_to_ms(self.t), 6).u32(self.metric).ieee32(self.value)
        return with_crc(body.done())

    @classmethod
    def decode(cls, data: bytes) -> LogRecord:
        """Read the characteristic's value. Raises MessageMalformed, CrcWrong or ValueImpossible."""
        reader = Reader(without_crc(data))
        found = cls(reader.u32(), _to_s(reader.uint(6)), reader.u32(), reader.ieee32())
        reader.end()
        if not math.isfinite(found.value):
            raise ValueImpossible("measurement log: the value is not finite")
        return found


@dataclass(frozen=True, slots=True)
class WavePiece:
    """Log Waveform: a block of equally spaced samples, live only.

    t: of the first sample, s since the Unix epoch. samples: int16, at most 240; value = sample x scale.
    """

    t: float
    metric: int
    period_us: int
    scale: float
    samples: tuple[int, ...]

    def encode(self) -> bytes:
        """Return the characteristic's value."""
        body = Writer().uint(_to_ms(self.t), 6).u32(self.metric).u32(self.period_us).ieee32(self.scale)
        body.u8(len(self.samples)).raw(struct.pack(f"<{len(self.samples)}h", *self.samples))
        return with_crc(body.done())

    @classmethod
    def decode(cls, data: bytes) -> WavePiece:
        """Read the characteristic's value. Raises MessageMalformed, CrcWrong or ValueImpossible."""
        reader = Reader(without_crc(data))
        t, metric, period, scale, count = (
            _to_s(reader.uint(6)),
            reader.u32(),
            reader.u32(),
            reader.ieee32(),
            reader.u8(),
        )
        if not 0 < count <= MAX_SAMPLES:
            raise MessageMalformed(f"measurement log: a block of {count} samples")
        samples = struct.unpack(f"<{count}h", reader.take(2 * count))
        reader.end()
        if not math.isfinite(scale) or not period:
            raise ValueImpossible("measurement log: scale or period of a waveform")
        return cls(t, metric, period, scale, samples)


def _to_ms(t: float) -> int:
    ms = round(t * 1000)
    if not 0 <= ms < _MS_LIMIT:
        raise ValueImpossible("measurement log: no such time")
    return ms


def _to_s(ms: int) -> float:
    return ms / 1000
