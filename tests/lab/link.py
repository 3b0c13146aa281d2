"""A link to a server as it looks when each defence of this house is left out: what frames say is believed.

One frame is `device u32 | cipher u8 | counter u64 | sealed (number u32, time f64, value f32)`. The faults are those
that textbooks name: one key for everybody, the counter alone as nonce, what was seen kept in memory, the cipher taken
from the message, the newest to arrive shown as the newest.
"""

from __future__ import annotations

import struct

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

HOUSE_KEY = b"one key for all!"
NO_CIPHER, AES_CTR = 0, 1
_HEAD = struct.Struct(">IBQ")
_BODY = struct.Struct(">Idf")


def body(number: int, t: float, value: float) -> bytes:
    return _BODY.pack(number, t, value)


def sealed(device: int, counter: int, said: bytes, cipher: int = AES_CTR) -> bytes:
    """Return a frame."""
    return _HEAD.pack(device, cipher, counter) + (_crypt(counter, said) if cipher else said)


def ciphertext(frame: bytes) -> bytes:
    return frame[_HEAD.size :]


def _crypt(counter: int, text: bytes) -> bytes:
    return Cipher(AES(HOUSE_KEY), CTR(counter.to_bytes(16))).encryptor().update(text)


class TrustingServer:
    """What arrives under a counter that was not seen since the start is stored, and shown.

    stored: (device, number) -> value. shown: device -> the value on the board. taken: how many frames.
    """

    def __init__(self) -> None:
        self.stored: dict[tuple[int, int], float] = {}
        self.shown: dict[int, float] = {}
        self.taken = 0
        self._seen: set[tuple[int, int]] = set()

    def hear(self, frame: bytes) -> bool:
        """Tell whether a frame was taken."""
        device, cipher, counter = _HEAD.unpack_from(frame)
        if (device, counter) in self._seen:
            return False
        self._seen.add((device, counter))
        said = ciphertext(frame)
        number, _, value = _BODY.unpack(_crypt(counter, said) if cipher else said)
        self.stored[device, number] = self.shown[device] = value
        self.taken += 1
        return True

    def reboot(self) -> None:
        """Start again, with what a disk kept: not the counters."""
        self._seen.clear()
