"""A sealed frame taken apart for people: its bytes in fields, each with a name and a meaning."""

from __future__ import annotations

from dataclasses import dataclass

from devices.errors import FrameError
from devices.protocol.frames import HEADER_BYTES, NONCE_BYTES, TAG_BYTES, Header, parse_header
from devices.protocol.suites import Suite


@dataclass(frozen=True, slots=True)
class Part:
    """A run of neighbouring bytes. mark: a short word by which pages tell parts apart."""

    mark: str
    name: str
    raw: bytes
    meaning: str

    @property
    def hexadecimal(self) -> str:
        """The bytes, in pairs of digits with spaces between."""
        return self.raw.hex(" ")


def parts_of(frame: bytes) -> list[Part]:
    """Return the fields of a frame in their order; one part without a name when it is no frame."""
    try:
        header = parse_header(frame)
    except FrameError as error:
        return [Part("rest", "Not a frame", frame, error.message)]
    body = frame[HEADER_BYTES:-TAG_BYTES]
    return [
        Part("head", "Version, cipher, kind, flags", frame[:4], _head(header)),
        Part("device", "Device", frame[4:8], f"number {header.device}"),
        Part("epoch", "Key epoch", frame[8:12], str(header.epoch)),
        Part("counter", "Counter", frame[12:20], f"{header.counter}; no frame of this epoch has it twice"),
        Part("body", "Encrypted readings", body, f"{len(body)} bytes"),
        Part("tag", "Tag", frame[-TAG_BYTES:], "fits these bytes and the device's key alone"),
    ]


def nonce_of(frame: bytes) -> str:
    """Return the nonce, which is device, epoch and counter, in hexadecimal digits."""
    return frame[HEADER_BYTES - NONCE_BYTES : HEADER_BYTES].hex()


def _head(header: Header) -> str:
    flags = "deflated" if header.deflated else "none"
    return f"{header.version}, {Suite(header.suite).facts.label}, {header.kind.name.lower()}, {flags}"
