"""What seals a device's frames."""

from __future__ import annotations

from typing import NamedTuple

from devices.protocol.suites import Suite


class DeviceSeal(NamedTuple):
    """A frame key (16 bytes), the epoch that frames name it by, the cipher, and whether payloads are deflated."""

    key: bytes
    epoch: int
    suite: Suite = Suite.ASCON_AEAD128
    deflate: bool = False
