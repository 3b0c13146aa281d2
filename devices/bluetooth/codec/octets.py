"""Reading and writing little-endian fields, as every GATT characteristic holds them."""

from __future__ import annotations

import struct

from devices.bluetooth.codec.medical_float import (
    Number,
    decode_float,
    decode_sfloat,
    encode_float,
    encode_sfloat,
)
from devices.bluetooth.errors import MessageMalformed, MessageTruncated


class Reader:
    """Takes fields off the front of a message. Raises MessageTruncated when it ends early."""

    def __init__(self, data: bytes) -> None:
        self._data = bytes(data)
        self._at = 0

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        end = self._at + size
        if end > len(self._data):
            raise MessageTruncated(f"{len(self._data)} bytes where at least {end} were announced")
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def uint(self, size: int) -> int:
        """Return an unsigned number of `size` bytes."""
        return int.from_bytes(self.take(size), "little")

    def u8(self) -> int:
        """Return one byte."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Return two bytes."""
        return self.uint(2)

    def u32(self) -> int:
        """Return four bytes."""
        return self.uint(4)

    def i8(self) -> int:
        """Return one signed byte."""
        return int.from_bytes(self.take(1), "little", signed=True)

    def sfloat(self) -> Number:
        """Return an IEEE 11073 SFLOAT."""
        return decode_sfloat(self.u16())

    def float32(self) -> Number:
        """Return an IEEE 11073 FLOAT (not IEEE 754)."""
        return decode_float(self.u32())

    def ieee32(self) -> float:
        """Return an IEEE 754 single; NaN and infinities pass, the caller judges them."""
        return float(struct.unpack("<f", self.take(4))[0])

    def rest(self) -> bytes:
        """Return everything that is left."""
        return self.take(len(self._data) - self._at)

    @property
    def empty(self) -> bool:
        """Whether everything was read."""
        return self._at == len(self._data)

    def end(self) -> None:
        """Make sure that nothing is left. Raises MessageMalformed."""
        left = len(self._data) - self._at
        if left:
            raise MessageMalformed(f"{left} bytes more than the flags announce")


class Writer:
    """Puts fields one after the other."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def raw(self, data: bytes) -> Writer:
        """Add bytes as they are."""
        self._parts.append(data)
        return self

    def uint(self, value: int, size: int) -> Writer:
        """Add an unsigned number of `size` bytes."""
        return self.raw(value.to_bytes(size, "little"))

    def u8(self, value: int) -> Writer:
        """Add one byte."""
        return self.uint(value, 1)

    def u16(self, value: int) -> Writer:
        """Add two bytes."""
        return self.uint(value, 2)

    def u32(self, value: int) -> Writer:
        """Add four bytes."""
        return self.uint(value, 4)

    def i8(self, value: int) -> Writer:
        """Add one signed byte."""
        return self.raw(value.to_bytes(1, "little", signed=True))

    def sfloat(self, value: Number) -> Writer:
        """Add an IEEE 11073 SFLOAT."""
        return self.u16(encode_sfloat(value))

    def float32(self, value: Number) -> Writer:
        """Add an IEEE 11073 FLOAT."""
        return self.u32(encode_float(value))

    def ieee32(self, value: float) -> Writer:
        """Add an IEEE 754 single."""
        return self.raw(struct.pack("<f", value))

    def done(self) -> bytes:
        """Return the message."""
        return b"".join(self._parts)


def check_flags(flags: int, known: int, what: str) -> int:
    """Return the flags. Raises MessageMalformed on a bit that the specification reserves.

    A collector may ignore reserved bits, but each of them could announce a field that would shift all that follow:
    a wrong number at a bedside is worse than none.
    """
    if flags & ~known:
        raise MessageMalformed(f"{what}: reserved flags {flags & ~known:#x} are set")
    return flags
