"""Heart Rate Service 1.0 (0x180D): Heart Rate Measurement (0x2A37). It carries no time."""

from __future__ import annotations

from dataclasses import dataclass

from devices.bluetooth.codec.octets import Reader, Writer, check_flags

_WIDE, _CONTACT, _CONTACT_KNOWN, _ENERGY, _INTERVALS = 0x01, 0x02, 0x04, 0x08, 0x10
_KNOWN = 0x1F


@dataclass(frozen=True, slots=True)
class HeartRateMeasurement:
    """One beat count.

    bpm: beats per minute. contact: whether the sensor touches skin, None when it cannot tell.
    energy_kj: spent since the last reset. rr_1024ths: intervals between beats in 1/1024 s, oldest first.
    """

    bpm: int
    contact: bool | None = None
    energy_kj: int | None = None
    rr_1024ths: tuple[int, ...] = ()

    def encode(self) -> bytes:
        """Return the characteristic's value."""
        flags = _WIDE if self.bpm > 0xFF else 0
        flags |= 0 if self.contact is None else _CONTACT_KNOWN | (_CONTACT if self.contact else 0)
        flags |= 0 if self.energy_kj is None else _ENERGY
        flags |= _INTERVALS if self.rr_1024ths else 0
        writer = Writer().u8(flags).uint(self.bpm, 2 if flags & _WIDE else 1)
        if self.energy_kj is not None:
            writer.u16(self.energy_kj)
        for interval in self.rr_1024ths:
            writer.u16(interval)
        return writer.done()

    @classmethod
    def decode(cls, data: bytes) -> HeartRateMeasurement:
        """Read the characteristic's value. Raises MessageMalformed."""
        reader = Reader(data)
        flags = check_flags(reader.u8(), _KNOWN, "heart rate")
        bpm = reader.uint(2 if flags & _WIDE else 1)
        contact = bool(flags & _CONTACT) if flags & _CONTACT_KNOWN else None
        energy = reader.u16() if flags & _ENERGY else None
        intervals = [reader.u16()] if flags & _INTERVALS else []
        while flags & _INTERVALS and not reader.empty:
            intervals.append(reader.u16())
        reader.end()
        return cls(bpm, contact, energy, tuple(intervals))
