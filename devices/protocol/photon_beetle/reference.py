"""PHOTON-Beetle-AEAD[128] in plain Python, to be read beside its specification: the oracle of the compiled backend.

Source: as in `permutation`, sections 3.1 and 3.3: rate 128 bits, key, nonce and tag of 16 bytes. Not constant in time.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from devices.protocol.aead import TAG_BYTES, BatchBackend, check_sizes
from devices.protocol.photon_beetle.permutation import permute

RATE_BYTES = 16
HALF_BYTES = RATE_BYTES // 2
MASK_64 = (1 << 64) - 1
DOMAIN_SHIFT = 5  # domain constants stand in the three highest bits of the state's last byte


def domain_of_data(ad_bytes: int, text_bytes: int) -> int:
    """Return the constant that ends the associated data."""
    whole = ad_bytes % RATE_BYTES == 0
    return (1 if whole else 2) if text_bytes else (3 if whole else 4)


def domain_of_text(ad_bytes: int, text_bytes: int) -> int:
    """Return the constant that ends the text."""
    whole = text_bytes % RATE_BYTES == 0
    return (1 if whole else 2) if ad_bytes else (5 if whole else 6)


def _absorbed(state: bytes, block: bytes) -> bytes:
    """Return the state with a block added; a short one is followed by a single 1 bit (ozs)."""
    padded = block if len(block) == RATE_BYTES else block + b"\x01" + bytes(RATE_BYTES - len(block) - 1)
    return bytes(a ^ b for a, b in zip(state, padded, strict=False)) + state[RATE_BYTES:]


def _marked(state: bytes, domain: int) -> bytes:
    return state[:-1] + bytes([state[-1] ^ domain << DOMAIN_SHIFT])


def _key_stream(state: bytes) -> bytes:
    """Return Shuffle of the rate: its second half, then its first turned right by one bit."""
    first = int.from_bytes(state[:HALF_BYTES], "little")
    turned = (first >> 1 | first << 63) & MASK_64
    return state[HALF_BYTES:RATE_BYTES] + turned.to_bytes(HALF_BYTES, "little")


def _blocks(text: bytes) -> list[bytes]:
    return [text[at : at + RATE_BYTES] for at in range(0, len(text), RATE_BYTES)]


def _crypt(key: bytes, nonce: bytes, ad: bytes, text: bytes, *, opening: bool) -> tuple[bytes, bytes]:
    """Return the other side of the text, and the tag."""
    state = nonce + key
    for block in _blocks(ad):
        state = _absorbed(permute(state), block)
    if ad:
        state = _marked(state, domain_of_data(len(ad), len(text)))
    out = b""
    for block in _blocks(text):
        state = permute(state)
        other = bytes(a ^ b for a, b in zip(block, _key_stream(state), strict=False))
        state = _absorbed(state, other if opening else block)
        out += other
    if text:
        state = _marked(state, domain_of_text(len(ad), len(text)))
    if not ad and not text:
        state = _marked(state, 1)
    return out, permute(state)[:TAG_BYTES]


class PythonBackend(BatchBackend):
    """One frame after the other."""

    name = "python"

    def seal_batch(
        self, keys: Sequence[bytes], nonces: Sequence[bytes], ads: Sequence[bytes], plaintexts: Sequence[bytes]
    ) -> list[bytes]:
        """Return ciphertext || tag of each."""
        check_sizes(keys, nonces, ads, plaintexts)
        columns = zip(keys, nonces, ads, plaintexts, strict=True)
        return [b"".join(_crypt(key, nonce, ad, text, opening=False)) for key, nonce, ad, text in columns]

    def open_batch(
        self, keys: Sequence[bytes], nonces: Sequence[bytes], ads: Sequence[bytes], sealed: Sequence[bytes]
    ) -> list[bytes | None]:
        """Return the plaintext of each, None where the tag does not match."""
        check_sizes(keys, nonces, ads, sealed)
        return [_opened(*columns) for columns in zip(keys, nonces, ads, sealed, strict=True)]


def _opened(key: bytes, nonce: bytes, ad: bytes, sealed: bytes) -> bytes | None:
    if len(sealed) < TAG_BYTES:
        return None
    text, tag = _crypt(key, nonce, ad, sealed[:-TAG_BYTES], opening=True)
    return text if hmac.compare_digest(tag, sealed[-TAG_BYTES:]) else None
