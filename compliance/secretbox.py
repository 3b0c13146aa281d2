"""Small secrets at rest: device keys and other bytes that the database must not show.

AES-256-GCM under a key derived (HKDF-SHA256, RFC 5869) from the installation's field key and a purpose, so that bytes
sealed for one purpose never open for another.
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
    """Seals and opens short byte strings for one purpose."""

    def __init__(self, field_key: str, purpose: str) -> None:
        derived = HKDF(SHA256(), 32, salt=b"medtwin/secretbox/1", info=purpose.encode()).derive(field_key.encode())
        self._cipher = AESGCM(derived)
        self._purpose = purpose.encode()

    def seal(self, plaintext: bytes) -> bytes:
        """Return nonce || ciphertext || tag."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plaintext, self._purpose)

    def open(self, sealed: bytes) -> bytes:
        """Return the plaintext.

        Raises SecretUnreadable when the key is wrong or a bit changed.
        """
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], self._purpose)
        except (InvalidTag, ValueError) as error:
            raise SecretUnreadable from error
