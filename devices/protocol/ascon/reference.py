"""Ascon-AEAD128 in plain Python, to be read beside the standard line by line: the oracle of the fast backends.

Source: NIST SP 800-232 (August 2025), sections 3 (permutation) and 4 (AEAD). Words are little endian.
Not constant in time: it belongs on a gateway that seals its own frames and into tests.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence

from devices.protocol.aead import TAG_BYTES, BatchBackend, check_sizes
from devices.protocol.ascon.constants import (
    DOMAIN_SEPARATION,
    IV,
    MASK_64,
    RATE_BYTES,
    ROUND_CONSTANTS,
    ROUNDS_A,
    ROUNDS_B,
)

State = list[int]


def _rotate(word: int, by: int) -> int:
    return (word >> by | word << (64 - by)) & MASK_64


def permute(state: State, rounds: int) -> None:
    """Apply the last `rounds` rounds of Ascon-p[12] in place (section 3)."""
    s0, s1, s2, s3, s4 = state
    for constant in ROUND_CONSTANTS[-rounds:]:
        s2 ^= constant
        # Substitution layer (section 3.3), bit-sliced over 64 columns.
        s0 ^= s4
        s4 ^= s3
        s2 ^= s1
        t0, t1, t2, t3, t4 = ~s0 & s1, ~s1 & s2, ~s2 & s3, ~s3 & s4, ~s4 & s0
        s0, s1, s2, s3, s4 = s0 ^ t1, s1 ^ t2, s2 ^ t3, s3 ^ t4, s4 ^ t0
        s1 ^= s0
        s0 ^= s4
        s3 ^= s2
        s2 ^= MASK_64
        # Linear diffusion layer (section 3.4).
        s0 ^= _rotate(s0, 19) ^ _rotate(s0, 28)
        s1 ^= _rotate(s1, 61) ^ _rotate(s1, 39)
        s2 ^= _rotate(s2, 1) ^ _rotate(s2, 6)
        s3 ^= _rotate(s3, 10) ^ _rotate(s3, 17)
        s4 ^= _rotate(s4, 7) ^ _rotate(s4, 41)
    state[:] = s0, s1, s2, s3, s4


def _words(block: bytes) -> tuple[int, int]:
    return int.from_bytes(block[:8], "little"), int.from_bytes(block[8:16], "little")


def _bytes(low: int, high: int) -> bytes:
    return low.to_bytes(8, "little") + high.to_bytes(8, "little")


def _blocks(text: bytes) -> Iterator[bytes]:
    """Yield the blocks of 16 bytes; the last one is shorter, perhaps empty."""
    for start in range(0, len(text) + 1, RATE_BYTES):
        yield text[start : start + RATE_BYTES]


def _pad(block: bytes) -> bytes:
    """Return the block with a single 1 bit and zeros behind it (section 2.1: little endian, so the byte is 0x01)."""
    return block if len(block) == RATE_BYTES else block + b"\x01" + bytes(RATE_BYTES - 1 - len(block))


def _begin(key: bytes, nonce: bytes, ad: bytes) -> State:
    """Return the state after initialisation and associated data (section 4.1)."""
    k0, k1 = _words(key)
    state = [IV, k0, k1, *_words(nonce)]
    permute(state, ROUNDS_A)
    state[3] ^= k0
    state[4] ^= k1
    if ad:
        for block in _blocks(ad):
            low, high = _words(_pad(block))
            state[0] ^= low
            state[1] ^= high
            permute(state, ROUNDS_B)
    state[4] ^= DOMAIN_SEPARATION
    return state


def _finish(state: State, key: bytes) -> bytes:
    """Return the tag."""
    k0, k1 = _words(key)
    state[2] ^= k0
    state[3] ^= k1
    permute(state, ROUNDS_A)
    return _bytes(state[3] ^ k0, state[4] ^ k1)


def seal(key: bytes, nonce: bytes, ad: bytes, plaintext: bytes) -> bytes:
    """Return ciphertext || tag (algorithm 3)."""
    state, ciphertext = _begin(key, nonce, ad), bytearray()
    for block in _blocks(plaintext):
        low, high = _words(_pad(block))
        state[0] ^= low
        state[1] ^= high
        ciphertext += _bytes(state[0], state[1])[: len(block)]
        if len(block) == RATE_BYTES:
            permute(state, ROUNDS_B)
    return bytes(ciphertext) + _finish(state, key)


def unseal(key: bytes, nonce: bytes, ad: bytes, sealed: bytes) -> bytes | None:
    """Return the plaintext, None when the tag does not match (algorithm 4)."""
    if len(sealed) < TAG_BYTES:
        return None
    state, plaintext = _begin(key, nonce, ad), bytearray()
    for block in _blocks(sealed[:-TAG_BYTES]):
        keystream = _bytes(state[0], state[1])
        opened = bytes(a ^ b for a, b in zip(block, keystream, strict=False))
        plaintext += opened
        low, high = _words(_pad(opened))
        state[0] ^= low
        state[1] ^= high
        if len(block) == RATE_BYTES:
            permute(state, ROUNDS_B)
    return bytes(plaintext) if hmac.compare_digest(_finish(state, key), sealed[-TAG_BYTES:]) else None


class PythonBackend(BatchBackend):
    """One frame after the other."""

    name = "python"

    def seal_batch(
        self, keys: Sequence[bytes], nonces: Sequence[bytes], ads: Sequence[bytes], plaintexts: Sequence[bytes]
    ) -> list[bytes]:
        """Return ciphertext || tag of each."""
        check_sizes(keys, nonces, ads, plaintexts)
        return [seal(*frame) for frame in zip(keys, nonces, ads, plaintexts, strict=True)]

    def open_batch(
        self, keys: Sequence[bytes], nonces: Sequence[bytes], ads: Sequence[bytes], sealed: Sequence[bytes]
    ) -> list[bytes | None]:
        """Return the plaintext of each, None where the tag does not match."""
        check_sizes(keys, nonces, ads, sealed)
        return [unseal(*frame) for frame in zip(keys, nonces, ads, sealed, strict=True)]
