"""What every device says of itself: Battery Service (0x180F) and Device Information Service (0x180A)."""

from __future__ import annotations

from dataclasses import dataclass

from devices.bluetooth.codec.octets import Reader, Writer
from devices.bluetooth.errors import MessageMalformed, ValueImpossible

MAX_TEXT_BYTES = 120


def encode_battery_level(percent: int) -> bytes:
    """Return Battery Level (0x2A19)."""
    return Writer().u8(percent).done()


def decode_battery_level(data: bytes) -> int:
    """Return the charge in %. Raises MessageMalformed, or ValueImpossible above 100."""
    reader = Reader(data)
    percent = reader.u8()
    reader.end()
    if percent > 100:
        raise ValueImpossible(f"a battery is not charged to {percent} %")
    return percent


def decode_text(data: bytes) -> str:
    """Return a Device Information string. Raises MessageMalformed for what is no text of a sane length."""
    try:
        text = data.rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError as error:
        raise MessageMalformed("a device information string is not UTF-8") from error
    if len(data) > MAX_TEXT_BYTES or not text.isprintable():
        raise MessageMalformed("a device information string is too long or not printable")
    return text


@dataclass(frozen=True, slots=True)
class SystemId:
    """System ID (0x2A23): 40 bits of the manufacturer and 24 bits assigned by the IEEE."""

    manufacturer: int
    organisation: int

    def encode(self) -> bytes:
        """Return the characteristic's value."""
        return Writer().uint(self.manufacturer, 5).uint(self.organisation, 3).done()

    @classmethod
    def decode(cls, data: bytes) -> SystemId:
        """Read the characteristic's value. Raises MessageMalformed."""
        reader = Reader(data)
        found = cls(reader.uint(5), reader.uint(3))
        reader.end()
        return found
