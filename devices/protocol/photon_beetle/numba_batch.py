"""PHOTON-Beetle-AEAD[128] compiled by numba: one loop over the frames, without Python's global lock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from devices.protocol.aead import TAG_BYTES, BatchBackend, check_sizes
from devices.protocol.columns import ends, flat
from devices.protocol.photon_beetle.permutation import COLUMN, CONSTANT, SIDE

Function = TypeVar("Function", bound=Callable[..., object])
Bytes = NDArray[np.uint8]
Words = NDArray[np.uint32]
Offsets = NDArray[np.int64]

_COLUMN = np.array(COLUMN, np.uint32)
_CONSTANT = np.array(CONSTANT, np.uint32)
_15 = np.uint32(15)


def _compiled(function: Function) -> Function:
    return cast(Function, numba.njit(cache=True, nogil=True)(function))


@_compiled
def _permute(state: Bytes, columns: Words, after: Words) -> None:
    """Apply the 12 rounds to `state` in place; the other two are room to work in."""
    for j in range(SIDE):
        word = np.uint32(0)
        for i in range(SIDE):
            word |= (np.uint32(state[4 * i + j // 2]) >> np.uint32(4 * (j % 2)) & _15) << np.uint32(4 * i)
        columns[j] = word
    for constant in _CONSTANT:
        columns[0] ^= constant
        for j in range(SIDE):
            word = np.uint32(0)
            for i in range(SIDE):
                word ^= _COLUMN[i, (columns[(j + i) & 7] >> np.uint32(4 * i)) & _15]
            after[j] = word
        columns[:] = after
    for i in range(SIDE):
        for pair in range(SIDE // 2):
            low = columns[2 * pair] >> np.uint32(4 * i) & _15
            high = columns[2 * pair + 1] >> np.uint32(4 * i) & _15
            state[4 * i + pair] = np.uint8(low | high << np.uint32(4))


@_compiled
def _domain(first: bool, whole: bool, base: int) -> np.uint8:
    """Return a domain constant at its place: 1 or 2 where `first`, else `base` or the one after it."""
    number = 1 if first else base
    return np.uint8((number if whole else number + 1) << 5)


@_compiled
def _absorb(state: Bytes, data: Bytes, start: int, count: int) -> None:
    for i in range(count):
        state[i] ^= data[start + i]
    if count < 16:
        state[count] ^= np.uint8(1)


@_compiled
def _stream(state: Bytes, stream: Bytes) -> None:
    for i in range(8):
        stream[i] = state[8 + i]
        stream[8 + i] = state[i] >> np.uint8(1) | (state[(i + 1) & 7] & np.uint8(1)) << np.uint8(7)


@_compiled
def _crypt_all(
    keys: Bytes, nonces: Bytes, ads: Bytes, ad_ends: Offsets, texts: Bytes, text_ends: Offsets, out: Bytes,
    tags: Bytes, opening: bool,
) -> None:  # fmt: skip
    """Fill `out` with the other side of each text, and `tags`, 16 bytes for each frame."""
    state, stream = np.empty(32, np.uint8), np.empty(16, np.uint8)
    columns, after = np.empty(8, np.uint32), np.empty(8, np.uint32)
    ad_start, start = 0, 0
    for frame in range(len(ad_ends)):
        state[:16] = nonces[16 * frame : 16 * frame + 16]
        state[16:] = keys[16 * frame : 16 * frame + 16]
        ad_end, end = ad_ends[frame], text_ends[frame]
        ad_bytes, text_bytes = ad_end - ad_start, end - start
        while ad_start < ad_end:
            _permute(state, columns, after)
            count = min(16, ad_end - ad_start)
            _absorb(state, ads, ad_start, count)
            ad_start += count
        if ad_bytes:
            state[31] ^= _domain(text_bytes > 0, ad_bytes % 16 == 0, 3)
        while start < end:
            _permute(state, columns, after)
            count = min(16, end - start)
            _stream(state, stream)
            for i in range(count):
                out[start + i] = texts[start + i] ^ stream[i]
            _absorb(state, out if opening else texts, start, count)
            start += count
        if text_bytes:
            state[31] ^= _domain(ad_bytes > 0, text_bytes % 16 == 0, 5)
        elif not ad_bytes:
            state[31] ^= np.uint8(1 << 5)
        _permute(state, columns, after)
        tags[16 * frame : 16 * frame + 16] = state[:16]


class NumbaBackend(BatchBackend):
    """All frames of a batch in one compiled loop."""

    name = "numba"

    def seal_batch(
        self, keys: Sequence[bytes], nonces: Sequence[bytes], ads: Sequence[bytes], plaintexts: Sequence[bytes]
    ) -> list[bytes]:
        """Return ciphertext || tag of each."""
        check_sizes(keys, nonces, ads, plaintexts)
        texts, tags = self._run(keys, nonces, ads, plaintexts, opening=False)
        return [text + tag for text, tag in zip(texts, tags, strict=True)]

    def open_batch(
        self, keys: Sequence[bytes], nonces: Sequence[bytes], ads: Sequence[bytes], sealed: Sequence[bytes]
    ) -> list[bytes | None]:
        """Return the plaintext of each, None where the tag does not match."""
        check_sizes(keys, nonces, ads, sealed)
        texts, tags = self._run(keys, nonces, ads, [one[:-TAG_BYTES] for one in sealed], opening=True)
        given = np.frombuffer(b"".join(one[-TAG_BYTES:].rjust(TAG_BYTES, b"\0") for one in sealed), np.uint8)
        made = np.frombuffer(b"".join(tags), np.uint8)
        # All bytes of all tags are compared, whatever the first ones say.
        wrong = (given ^ made).reshape(-1, TAG_BYTES).any(axis=1)
        right: list[bool] = np.logical_not(wrong).tolist()
        return [
            text if good and len(one) >= TAG_BYTES else None
            for text, one, good in zip(texts, sealed, right, strict=True)
        ]

    @staticmethod
    def _run(
        keys: Sequence[bytes], nonces: Sequence[bytes], ads: Sequence[bytes], texts: Sequence[bytes], *, opening: bool
    ) -> tuple[list[bytes], list[bytes]]:
        text, text_ends = flat(texts), ends(texts)
        out, tags = np.empty(len(text), np.uint8), np.empty(TAG_BYTES * len(keys), np.uint8)
        _crypt_all(flat(keys), flat(nonces), flat(ads), ends(ads), text, text_ends, out, tags, opening)
        raw, raw_tags = out.tobytes(), tags.tobytes()
        cut = [raw[start:end] for start, end in pairwise([0, *text_ends.tolist()])]
        return cut, [raw_tags[at : at + TAG_BYTES] for at in range(0, len(raw_tags), TAG_BYTES)]
