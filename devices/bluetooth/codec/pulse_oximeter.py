"""Pulse Oximeter Service 1.0 (0x1822): continuous (0x2A5F, no time) and spot-check (0x2A5E, with time) measurements."""

from __future__ import annotations

from dataclasses import dataclass

from devices.bluetooth.codec.medical_float import Number
from devices.bluetooth.codec.moments import encode_date_time, read_date_time
from devices.bluetooth.codec.octets import Reader, Writer, check_flags

_FAST, _SLOW, _STATUS, _DEVICE, _AMPLITUDE = 0x01, 0x02, 0x04, 0x08, 0x10
_SPOT_TIME, _SPOT_STATUS, _SPOT_DEVICE, _SPOT_AMPLITUDE, _CLOCK_NOT_SET = 0x01, 0x02, 0x04, 0x08, 0x10
_KNOWN = 0x1F


@dataclass(frozen=True, slots=True)
class Oxygenation:
    """Saturation in % and pulse rate per minute."""

    spo2: Number
    pulse: Number

    def put(self, writer: Writer) -> Writer:
        """Add both."""
        return writer.sfloat(self.spo2).sfloat(self.pulse)

    @classmethod
    def read(cls, reader: Reader) -> Oxygenation:
        """Read both."""
        return cls(reader.sfloat(), reader.sfloat())


@dataclass(frozen=True, slots=True)
class ContinuousMeasurement:
    """PLX Continuous Measurement: what the oximeter shows now.

    status, device_status: bit fields of the specification. amplitude: pulse amplitude index in %.
    """

    normal: Oxygenation
    fast: Oxygenation | None = None
    slow: Oxygenation | None = None
    status: int | None = None
    device_status: int | None = None
    amplitude: Number | None = None

    def encode(self) -> bytes:
        """Return the characteristic's value."""
        present = (self.fast, self.slow, self.status, self.device_status, self.amplitude)
        writer = Writer().u8(sum(1 << bit for bit, field in enumerate(present) if field is not None))
        for oxygenation in (self.normal, self.fast, self.slow):
            if oxygenation is not None:
                oxygenation.put(writer)
        return _put_tail(writer, self.status, self.device_status, self.amplitude)

    @classmethod
    def decode(cls, data: bytes) -> ContinuousMeasurement:
        """Read the characteristic's value. Raises MessageMalformed."""
        reader = Reader(data)
        flags = check_flags(reader.u8(), _KNOWN, "continuous oximetry")
        found = cls(
            Oxygenation.read(reader),
            Oxygenation.read(reader) if flags & _FAST else None,
            Oxygenation.read(reader) if flags & _SLOW else None,
            reader.u16() if flags & _STATUS else None,
            reader.uint(3) if flags & _DEVICE else None,
            reader.sfloat() if flags & _AMPLITUDE else None,
        )
        reader.end()
        return found


@dataclass(frozen=True, slots=True)
class SpotCheckMeasurement:
    """PLX Spot-Check Measurement. t: whole seconds since the Unix epoch by the oximeter's clock, None without one."""

    value: Oxygenation
    t: float | None = None
    status: int | None = None
    device_status: int | None = None
    amplitude: Number | None = None
    clock_set: bool = True

    def encode(self) -> bytes:
        """Return the characteristic's value."""
        present = (self.t, self.status, self.device_status, self.amplitude)
        flags = sum(1 << bit for bit, field in enumerate(present) if field is not None)
        writer = Writer().u8(flags | (0 if self.clock_set else _CLOCK_NOT_SET))
        self.value.put(writer)
        if self.t is not None:
            writer.raw(encode_date_time(self.t))
        return _put_tail(writer, self.status, self.device_status, self.amplitude)

    @classmethod
    def decode(cls, data: bytes) -> SpotCheckMeasurement:
        """Read the characteristic's value. Raises MessageMalformed or ValueImpossible."""
        reader = Reader(data)
        flags = check_flags(reader.u8(), _KNOWN, "spot-check oximetry")
        found = cls(
            Oxygenation.read(reader),
            read_date_time(reader) if flags & _SPOT_TIME else None,
            reader.u16() if flags & _SPOT_STATUS else None,
            reader.uint(3) if flags & _SPOT_DEVICE else None,
            reader.sfloat() if flags & _SPOT_AMPLITUDE else None,
            not flags & _CLOCK_NOT_SET,
        )
        reader.end()
        return found


def _put_tail(writer: Writer, status: int | None, device_status: int | None, amplitude: Number | None) -> bytes:
    if status is not None:
        writer.u16(status)
    if device_status is not None:
        writer.uint(device_status, 3)
    if amplitude is not None:
        writer.sfloat(amplitude)
    return writer.done()
