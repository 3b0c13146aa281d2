"""The hospital's key pair: X-Wing (ML-KEM-768 with X25519), so that a study recorded today stays shut to a quantum
computer.

X-Wing has no standard serialisation in `cryptography`; the 32-byte seed is the private key
(draft-connolly-cfrg-xwing-kem-06, section 5.2) and `ML-KEM public key || X25519 public key` (1184 + 32 bytes) the
public one.
"""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from imaging.errors import StudyKeyWrong, StudyMalformed

SEED_BYTES = 32
MLKEM_PUBLIC_BYTES = 1184
PUBLIC_BYTES = MLKEM_PUBLIC_BYTES + 32
SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class OpeningKey:
    """The hospital's private key. Workers alone hold one."""

    def __init__(self, seed: bytes) -> None:
        """Expand the 32-byte `seed`; raise StudyMalformed for another length."""
        if len(seed) != SEED_BYTES:
            raise StudyMalformed(f"An opening key is {SEED_BYTES} bytes, not {len(seed)}.")
        expanded = hashlib.shake_256(seed).digest(96)
        kem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        curve = X25519PrivateKey.from_private_bytes(expanded[64:])
        self._private = MLKEM768X25519PrivateKey(kem, curve)
        self.public_bytes = kem.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()

    def unwrap(self, wrapped: bytes, info: bytes) -> bytes:
        """Return the content key inside `wrapped`; raise StudyKeyWrong when it was wrapped for another key or
        `info`."""
        try:
            return SUITE.decrypt(wrapped, self._private, info)
        except (InvalidTag, ValueError) as error:
            raise StudyKeyWrong from error


def wrap(public_bytes: bytes, content_key: bytes, info: bytes) -> bytes:
    """Return `content_key` wrapped for the holder of `public_bytes` (HPKE base mode, RFC 9180, X-Wing, AES-256-GCM)."""
    return SUITE.encrypt(content_key, _public_key(public_bytes), info)


def fingerprint(public_bytes: bytes) -> str:
    """Return a short name of a public key: the first 16 bytes of its SHA-256, hexadecimal."""
    return hashlib.sha256(public_bytes).hexdigest()[:32]


def _public_key(raw: bytes) -> MLKEM768X25519PublicKey:
    if len(raw) != PUBLIC_BYTES:
        raise StudyMalformed(f"A hospital's public key is {PUBLIC_BYTES} bytes, not {len(raw)}.")
    kem = MLKEM768PublicKey.from_public_bytes(raw[:MLKEM_PUBLIC_BYTES])
    return MLKEM768X25519PublicKey(kem, X25519PublicKey.from_public_bytes(raw[MLKEM_PUBLIC_BYTES:]))
