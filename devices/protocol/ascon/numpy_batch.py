"""Ascon-AEAD128 over many frames at once: the five state words are arrays with one column for each frame.

Frames may differ in length: in block step i only those frames take part that still have a block i.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from devices.protocol.aead import TAG_BYTES, BatchBackend, check_sizes
from devices.protocol.ascon import reference
from devices.protocol.ascon.constants import DOMAIN_SEPARATION, IV, RATE_BYTES, ROUND_CONSTANTS, ROUNDS_A, ROUNDS_B

Words = NDArray[np.uint64]

# Rotations of the linear layer, one row for each state word: shifts to the right, and those to the left beside them.
_RIGHT = np.array([[[19], [61], [1], [10], [7]], [[28], [39], [6], [17], [41]]], np.uint64)
_LEFT = np.uint64(64) - _RIGHT
_NEXT = np.array([1, 2, 3, 4, 0])
_PADS = [b"\x01" + bytes(RATE_BYTES - 1 - rest) for rest in range(RATE_BYTES)]
# A small batch takes some 2 ms whatever its size, plain Python some 0.25 ms for each frame.
SMALL_BATCH = 8


def permute(state: Words, rounds: int) -> Words:
    """Return uint64[5, n] after the last `rounds` rounds of Ascon-p[12] (SP 800-232, section 3).

    Works on all five words in one call where it can: for a few hundred frames the calls cost more than the bits.
    """
    s = state.copy()
    a, b = np.empty_like(s), np.empty_like(s)
    for constant in ROUND_CONSTANTS[-rounds:]:
        s[2] ^= np.uint64(constant)
        s[0] ^= s[4]
        s[4] ^= s[3]
        s[2] ^= s[1]
        np.take(s, _NEXT, axis=0, out=a, mode="clip")
        np.invert(s, out=b)
        a &= b
        s ^= np.take(a, _NEXT, axis=0, out=b, mode="clip")
        s[1] ^= s[0]
        s[0] ^= s[4]
        s[3] ^= s[2]
        np.invert(s[2], out=s[2])
        np.right_shift(s, _RIGHT[0], out=a)
        a ^= np.left_shift(s, _LEFT[0], out=b)
        a ^= np.right_shift(s, _RIGHT[1], out=b)
        a ^= np.left_shift(s, _LEFT[1], out=b)
        s ^= a
    return s


class _Padded(NamedTuple):
    """Texts laid end to end, each padded to whole blocks. first: block where each begins. blocks: how many it has."""

    data: Words  # uint64[total blocks, 2]
    first: NDArray[np.intp]
    blocks: NDArray[np.intp]
    lengths: NDArray[np.intp]


def _pad_all(texts: Sequence[bytes]) -> _Padded:
    lengths = np.fromiter(map(len, texts), np.intp, len(texts))
    flat = b"".join([part for text in texts for part in (text, _PADS[len(text) % RATE_BYTES])])
    blocks = lengths // RATE_BYTES + 1
    return _Padded(np.frombuffer(flat, "<u8").reshape(-1, 2), np.cumsum(blocks) - blocks, blocks, lengths)


def _columns(texts: Sequence[bytes]) -> Words:
    """Return uint64[2, n] of texts of 16 bytes."""
    return np.ascontiguousarray(np.frombuffer(b"".join(texts), "<u8").reshape(-1, 2).T)


def _begin(key: Words, nonces: Sequence[bytes], ads: Sequence[bytes]) -> Words:
    state = np.vstack((np.full((1, key.shape[1]), IV, np.uint64), key, _columns(nonces)))
    state = permute(state, ROUNDS_A)
    state[3:] ^= key
    padded = _pad_all(ads)
    present = padded.lengths > 0
    for step in range(int(padded.blocks.max())):
        active = np.flatnonzero(present & (padded.blocks > step))
        state[:2, active] ^= padded.data[padded.first[active] + step].T
        state[:, active] = permute(state[:, active], ROUNDS_B)
    state[4] ^= np.uint64(DOMAIN_SEPARATION)
    return state


def _finish(state: Words, key: Words) -> Words:
    """Return the tags: uint64[2, n]."""
    state[2:4] ^= key
    return permute(state, ROUNDS_A)[3:] ^ key


def _masks(lengths: NDArray[np.intp]) -> Words:
    """Return uint64[n, 2] with ones over the bytes that a last block really has (little endian)."""
    rest = (lengths % RATE_BYTES)[:, None]
    return np.where(np.arange(RATE_BYTES) < rest, np.uint8(255), np.uint8(0)).astype(np.uint8).view("<u8")


def _crypt(state: Words, padded: _Padded, *, opening: bool) -> Words:
    """Run the state over the texts and return their other side, uint64[total blocks, 2].

    Behind a text's end the output holds key stream; the caller cuts it off.
    """
    out = np.empty_like(padded.data)
    masks = _masks(padded.lengths)
    for step in range(int(padded.blocks.max())):
        active = np.flatnonzero(padded.blocks > step)
        where = padded.first[active] + step
        block, rate = padded.data[where], state[:2, active].T
        out[where] = block ^ rate
        last = padded.blocks[active] == step + 1
        if opening:
            # The state takes the ciphertext in; behind the text's end it keeps its own bytes, and the pad is added.
            keep = np.where(last[:, None], ~masks[active], np.uint64(0))
            state[:2, active] = ((rate & keep) ^ block).T
        else:
            state[:2, active] = out[where].T
        more = active[~last]
        if len(more):
            state[:, more] = permute(state[:, more], ROUNDS_B)
    return out


def _cut(out: Words, padded: _Padded) -> list[bytes]:
    raw = out.tobytes()
    starts = (padded.first * RATE_BYTES).tolist()
    return [raw[start : start + length] for start, length in zip(starts, padded.lengths.tolist(), strict=True)]


class NumpyBackend(BatchBackend):
    """All frames of a batch side by side; a small batch goes to the plain Python."""

    name = "numpy"

    def __init__(self, small_batch: int = SMALL_BATCH) -> None:
        self.small_batch = small_batch
        self._small = reference.PythonBackend()

    def seal_batch(
        self, keys: Sequence[bytes], nonces: Sequence[bytes], ads: Sequence[bytes], plaintexts: Sequence[bytes]
    ) -> list[bytes]:
        """Return ciphertext || tag of each."""
        check_sizes(keys, nonces, ads, plaintexts)
        if len(keys) < max(1, self.small_batch):
            return self._small.seal_batch(keys, nonces, ads, plaintexts)
        key, padded = _columns(keys), _pad_all(plaintexts)
        state = _begin(key, nonces, ads)
        texts = _cut(_crypt(state, padded, opening=False), padded)
        tags = np.ascontiguousarray(_finish(state, key).T).tobytes()
        return [text + tags[i * TAG_BYTES : (i + 1) * TAG_BYTES] for i, text in enumerate(texts)]

    def open_batch(
        self, keys: Sequence[bytes], nonces: Sequence[bytes], ads: Sequence[bytes], sealed: Sequence[bytes]
    ) -> list[bytes | None]:
        """Return the plaintext of each, None where the tag does not match."""
        check_sizes(keys, nonces, ads, sealed)
        if len(keys) < max(1, self.small_batch):
            return self._small.open_batch(keys, nonces, ads, sealed)
        whole = np.fromiter((len(text) >= TAG_BYTES for text in sealed), np.bool_, len(sealed))
        key, padded = _columns(keys), _pad_all([text[:-TAG_BYTES] for text in sealed])
        state = _begin(key, nonces, ads)
        out = _crypt(state, padded, opening=True)
        given = _columns([text[-TAG_BYTES:].rjust(TAG_BYTES, b"\0") for text in sealed])
        good = ~((_finish(state, key) ^ given).any(axis=0)) & whole
        out[~np.repeat(good, padded.blocks)] = 0
        return [text if ok else None for text, ok in zip(_cut(out, padded), good.tolist(), strict=True)]
