"""AES-128-GCM (NIST SP 800-38D) of the `cryptography` library as a cipher of frames.

GCM takes a nonce of 12 bytes: epoch and counter, the last 12 of the frame's 16. The device's number, which it leaves
out, tells keys apart already: no two devices share one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from devices.protocol.aead import NONCE_BYTES, TAG_BYTES, BatchBackend, check_sizes

GCM_NONCE_BYTES = 12
_CUT = NONCE_BYTES - GCM_NONCE_BYTES


class AesGcmBackend(BatchBackend):
    """One call for each frame; the last ciphers stay keyed, since a device sends many frames under one key."""

    name = "openssl"

    def __init__(self, kept_ciphers: int = 4096) -> None:
        self._keyed = lru_cache(kept_ciphers)(AESGCM)

    def seal_batch(
        self, keys: Sequence[bytes], nonces: Sequence[bytes], ads: Sequence[bytes], plaintexts: Sequence[bytes]
    ) -> list[bytes]:
        """Return ciphertext || tag of each."""
        check_sizes(keys, nonces, ads, plaintexts)
        columns = zip(keys, nonces, ads, plaintexts, strict=True)
        return [self._keyed(key).encrypt(nonce[_CUT:], text, ad) for key, nonce, ad, text in columns]

    def open_batch(
        self, keys: Sequence[bytes], nonces: Sequence[bytes], ads: Sequence[bytes], sealed: Sequence[bytes]
    ) -> list[bytes | None]:
        """Return the plaintext of each, None where the tag does not match."""
        check_sizes(keys, nonces, ads, sealed)
        return [self._opened(*frame) for frame in zip(keys, nonces, ads, sealed, strict=True)]

    def _opened(self, key: bytes, nonce: bytes, ad: bytes, sealed: bytes) -> bytes | None:
        if len(sealed) < TAG_BYTES:
            return None
        try:
            return self._keyed(key).decrypt(nonce[_CUT:], sealed, ad)
        except InvalidTag:
            return None
