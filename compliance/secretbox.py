"""Small secrets at rest: device keys and other bytes that the database must not show.

AES-256-GCM under a key derived (HKDF-SHA256, RFC 5869) from the installation's field key and a purpose, so that bytes
sealed for one purpose never open for another. While a key is exchanged for another, both open and the new one seals.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from compliance.errors import SecretUnreadable

NONCE_BYTES = 12


class SecretBox:
    """Seals and opens short byte strings for one purpose. former: another key that opens too; empty for none.

    context: what the bytes belong to, such as a row's id; what was sealed for one context never opens for another.
    """

    def __init__(self, field_key: str, purpose: str, former: str = "") -> None:
        self._ciphers = [_cipher(key, purpose) for key in (field_key, former) if key]
        self._purpose = purpose.encode()

    def seal(self, plaintext: bytes, context: bytes = b"") -> bytes:
        """Return nonce || ciphertext || tag."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, plaintext, self._about(context))

    def open(self, sealed: bytes, context: bytes = b"") -> bytes:
        """Return the plaintext.

        Raises SecretUnreadable when the key is wrong or a bit changed.
        """
        return self._opened(sealed, context)[0]

    def rewrapped(self, sealed: bytes, context: bytes = b"") -> bytes | None:
        """Return the same plaintext sealed under the present key, or None when it is already. Raises
        SecretUnreadable."""
        plaintext, present = self._opened(sealed, context)
        return None if present else self.seal(plaintext, context)

    def _opened(self, sealed: bytes, context: bytes) -> tuple[bytes, bool]:
        for number, cipher in enumerate(self._ciphers):
            try:
                return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], self._about(context)), number == 0
            except (InvalidTag, ValueError):
                continue
        raise SecretUnreadable

    def _about(self, context: bytes) -> bytes:
        return self._purpose + b"\0" + context if context else self._purpose


def _cipher(key: str, purpose: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=b"medtwin/secretbox/1", info=purpose.encode()).derive(key.encode()))
