"""The end-to-end checksum of glucose monitors and insulin pumps.

CRC-CCITT, generator x^16 + x^12 + x^5 + 1, register preset to ones, least significant bit first, appended least
significant octet first (Continuous Glucose Monitoring Service 1.0.1, section 3.11; Insulin Delivery Service 1.0.1). The
catalogue of CRCs calls it CRC-16/MCRF4XX.
"""

from __future__ import annotations

from devices.bluetooth.errors import CrcWrong, MessageTruncated

CRC_BYTES = 2
_POLYNOMIAL = 0x8408  # 0x1021, bits reversed


def _shifted(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE = tuple(map(_shifted, range(256)))  # a gateway checks every measurement


def e2e_crc(data: bytes) -> int:
    """Return the 16-bit checksum."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


def with_crc(data: bytes) -> bytes:
    """Return the message and its checksum."""
    return data + e2e_crc(data).to_bytes(CRC_BYTES, "little")


def without_crc(data: bytes) -> bytes:
    """Return the message without its checksum. Raises MessageTruncated or CrcWrong."""
    if len(data) < CRC_BYTES:
        raise MessageTruncated("too short for its E2E-CRC")
    body, crc = data[:-CRC_BYTES], int.from_bytes(data[-CRC_BYTES:], "little")
    if e2e_crc(body) != crc:
        raise CrcWrong(f"E2E-CRC {crc:#06x} instead of {e2e_crc(body):#06x}")
    return body
