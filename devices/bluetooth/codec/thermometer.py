"""Health Thermometer Service 1.0 (0x1809): Temperature Measurement (0x2A1C)."""

from __future__ import annotations

from dataclasses import dataclass

from devices.bluetooth.codec.medical_float import Number, as_value
from devices.bluetooth.codec.moments import encode_date_time, read_date_time
from devices.bluetooth.codec.octets import Reader, Writer, check_flags
from devices.bluetooth.errors import MessageMalformed

_FAHRENHEIT, _TIME, _SITE = 0x01, 0x02, 0x04
_KNOWN = 0x07
SITES = range(1, 10)  # armpit, body, ear, finger, gastro-intestinal, mouth, rectum, toe, tympanum


@dataclass(frozen=True, slots=True)
class TemperatureMeasurement:
    """A body temperature, in Fahrenheit when `fahrenheit`, else in degrees Celsius.

    t: whole seconds since the Unix epoch by the thermometer's clock, None without one. site: 1 armpit to 9 tympanum.
    """

    value: Number
    t: float | None = None
    site: int | None = None
    fahrenheit: bool = False

    @property
    def celsius(self) -> float | None:
        """The temperature in degrees Celsius, None where the sensor has none."""
        value = as_value(self.value)
        return value if value is None or not self.fahrenheit else round((value - 32.0) / 1.8, 2)

    def encode(self) -> bytes:
        """Return the characteristic's value."""
        flags = (_FAHRENHEIT if self.fahrenheit else 0) | (0 if self.t is None else _TIME)
        flags |= 0 if self.site is None else _SITE
        writer = Writer().u8(flags).float32(self.value)
        if self.t is not None:
            writer.raw(encode_date_time(self.t))
        if self.site is not None:
            writer.u8(self.site)
        return writer.done()

    @classmethod
    def decode(cls, data: bytes) -> TemperatureMeasurement:
        """Read the characteristic's value. Raises MessageMalformed or ValueImpossible."""
        reader = Reader(data)
        flags = check_flags(reader.u8(), _KNOWN, "temperature")
        value = reader.float32()
        t = read_date_time(reader) if flags & _TIME else None
        site = reader.u8() if flags & _SITE else None
        reader.end()
        if site is not None and site not in SITES:
            raise MessageMalformed(f"temperature: site {site} is reserved")
        return cls(value, t, site, bool(flags & _FAHRENHEIT))
