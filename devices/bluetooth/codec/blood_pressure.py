"""Blood Pressure Service 1.1 (0x1810): Blood Pressure Measurement (0x2A35)."""

from __future__ import annotations

from dataclasses import dataclass

from devices.bluetooth.codec.medical_float import Number, as_value
from devices.bluetooth.codec.moments import encode_date_time, read_date_time
from devices.bluetooth.codec.octets import Reader, Writer, check_flags

_KILOPASCAL, _TIME, _PULSE, _USER, _STATUS = 0x01, 0x02, 0x04, 0x08, 0x10
_KNOWN = 0x1F
MMHG_PER_KPA = 7.500616827


@dataclass(frozen=True, slots=True)
class BloodPressureMeasurement:
    """One cuff measurement, in kPa when `kilopascal`, else in mmHg.

    t: whole seconds since the Unix epoch by the cuff's clock, None without one. pulse: per minute.
    status: the bit field of the specification (body moved, cuff too loose, irregular pulse).
    """

    systolic: Number
    diastolic: Number
    mean: Number
    t: float | None = None
    pulse: Number | None = None
    user: int | None = None
    status: int | None = None
    kilopascal: bool = False

    def mmhg(self, pressure: Number) -> float | None:
        """Return one of the pressures in mmHg, None where the cuff has none."""
        value = as_value(pressure)
        return value if value is None or not self.kilopascal else round(value * MMHG_PER_KPA, 1)

    def encode(self) -> bytes:
        """Return the characteristic's value."""
        present = (self.t, self.pulse, self.user, self.status)
        flags = sum(_TIME << bit for bit, field in enumerate(present) if field is not None)
        writer = Writer().u8(flags | (_KILOPASCAL if self.kilopascal else 0))
        writer.sfloat(self.systolic).sfloat(self.diastolic).sfloat(self.mean)
        if self.t is not None:
            writer.raw(encode_date_time(self.t))
        if self.pulse is not None:
            writer.sfloat(self.pulse)
        if self.user is not None:
            writer.u8(self.user)
        if self.status is not None:
            writer.u16(self.status)
        return writer.done()

    @classmethod
    def decode(cls, data: bytes) -> BloodPressureMeasurement:
        """Read the characteristic's value. Raises MessageMalformed or ValueImpossible."""
        reader = Reader(data)
        flags = check_flags(reader.u8(), _KNOWN, "blood pressure")
        found = cls(
            reader.sfloat(),
            reader.sfloat(),
            reader.sfloat(),
            read_date_time(reader) if flags & _TIME else None,
            reader.sfloat() if flags & _PULSE else None,
            reader.u8() if flags & _USER else None,
            reader.u16() if flags & _STATUS else None,
            bool(flags & _KILOPASCAL),
        )
        reader.end()
        return found
