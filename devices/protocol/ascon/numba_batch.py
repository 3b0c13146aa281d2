"""Ascon-AEAD128 compiled by numba: one loop over the frames, without Python's global lock.

Compiling takes some ten seconds once for a machine; `cache=True` keeps the result beside this file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from devices.protocol.aead import TAG_BYTES, BatchBackend, check_sizes
from devices.protocol.ascon.constants import DOMAIN_SEPARATION, IV, ROUND_CONSTANTS, ROUNDS_A, ROUNDS_B
from devices.protocol.columns import ends, flat

Function = TypeVar("Function", bound=Callable[..., object])
Bytes = NDArray[np.uint8]
Offsets = NDArray[np.int64]
State = tuple[np.uint64, np.uint64, np.uint64, np.uint64, np.uint64]

_CONSTANTS = np.array(ROUND_CONSTANTS, np.uint64)
_IV, _SEPARATION, _ZERO, _ONE = np.uint64(IV), np.uint64(DOMAIN_SEPARATION), np.uint64(0), np.uint64(1)
_FIRST_A, _FIRST_B = len(ROUND_CONSTANTS) - ROUNDS_A, len(ROUND_CONSTANTS) - ROUNDS_B


def _compiled(function: Function) -> Function:
    return cast(Function, numba.njit(cache=True, nogil=True)(function))


@_compiled
def _rotate(word: np.uint64, by: int) -> np.uint64:
    return (word >> np.uint64(by)) | (word << np.uint64(64 - by))


@_compiled
def _permute(s0: np.uint64, s1: np.uint64, s2: np.uint64, s3: np.uint64, s4: np.uint64, first: int) -> State:
    """Apply the rounds from `first` on (SP 800-232, section 3)."""
    for number in range(first, 12):
        s2 ^= _CONSTANTS[number]
        s0 ^= s4
        s4 ^= s3
        s2 ^= s1
        t0, t1, t2, t3, t4 = ~s0 & s1, ~s1 & s2, ~s2 & s3, ~s3 & s4, ~s4 & s0
        s0 ^= t1
        s1 ^= t2
        s2 ^= t3
        s3 ^= t4
        s4 ^= t0
        s1 ^= s0
        s0 ^= s4
        s3 ^= s2
        s2 = ~s2
        s0 ^= _rotate(s0, 19) ^ _rotate(s0, 28)
        s1 ^= _rotate(s1, 61) ^ _rotate(s1, 39)
        s2 ^= _rotate(s2, 1) ^ _rotate(s2, 6)
        s3 ^= _rotate(s3, 10) ^ _rotate(s3, 17)
        s4 ^= _rotate(s4, 7) ^ _rotate(s4, 41)
    return s0, s1, s2, s3, s4


@_compiled
def _load(data: Bytes, start: int, count: int) -> np.uint64:
    """Return up to 8 bytes as a little-endian word."""
    word = _ZERO
    for i in range(min(count, 8)):
        word |= np.uint64(data[start + i]) << np.uint64(8 * i)
    return word


@_compiled
def _store(data: Bytes, start: int, count: int, word: np.uint64) -> None:
    for i in range(min(count, 8)):
        data[start + i] = np.uint8((word >> np.uint64(8 * i)) & np.uint64(255))


@_compiled
def _ones(count: int) -> np.uint64:
    """Return a word with ones over its first `count` bytes, 0 to 8."""
    if count <= 0:
        return _ZERO
    return ~_ZERO if count >= 8 else (_ONE << np.uint64(8 * count)) - _ONE


@_compiled
def _pad(rest: int, word: int) -> np.uint64:
    """Return the pad that word 0 or 1 of a last block with `rest` bytes carries."""
    at = rest - 8 * word
    return _ONE << np.uint64(8 * at) if 0 <= at < 8 else _ZERO


@_compiled
def _begin(key0: np.uint64, key1: np.uint64, nonces: Bytes, frame: int, ads: Bytes, start: int, end: int) -> State:
    n0, n1 = _load(nonces, 16 * frame, 8), _load(nonces, 16 * frame + 8, 8)
    s0, s1, s2, s3, s4 = _permute(_IV, key0, key1, n0, n1, _FIRST_A)
    s3 ^= key0
    s4 ^= key1
    if end > start:
        at = start
        while end - at >= 16:
            s0 ^= _load(ads, at, 8)
            s1 ^= _load(ads, at + 8, 8)
            s0, s1, s2, s3, s4 = _permute(s0, s1, s2, s3, s4, _FIRST_B)
            at += 16
        rest = end - at
        s0 ^= _load(ads, at, rest) ^ _pad(rest, 0)
        s1 ^= _load(ads, at + 8, rest - 8) ^ _pad(rest, 1)
        s0, s1, s2, s3, s4 = _permute(s0, s1, s2, s3, s4, _FIRST_B)
    return s0, s1, s2, s3, s4 ^ _SEPARATION


@_compiled
def _seal_all(
    keys: Bytes, nonces: Bytes, ads: Bytes, ad_ends: Offsets, texts: Bytes, text_ends: Offsets, out: Bytes
) -> None:
    """Fill `out` with ciphertext || tag of each frame, end to end."""
    ad_start, start, to = 0, 0, 0
    for frame in range(len(ad_ends)):
        key0, key1 = _load(keys, 16 * frame, 8), _load(keys, 16 * frame + 8, 8)
        s0, s1, s2, s3, s4 = _begin(key0, key1, nonces, frame, ads, ad_start, ad_ends[frame])
        end = text_ends[frame]
        while end - start >= 16:
            s0 ^= _load(texts, start, 8)
            s1 ^= _load(texts, start + 8, 8)
            _store(out, to, 8, s0)
            _store(out, to + 8, 8, s1)
            s0, s1, s2, s3, s4 = _permute(s0, s1, s2, s3, s4, _FIRST_B)
            start += 16
            to += 16
        rest = end - start
        s0 ^= _load(texts, start, rest) ^ _pad(rest, 0)
        s1 ^= _load(texts, start + 8, rest - 8) ^ _pad(rest, 1)
        _store(out, to, rest, s0)
        _store(out, to + 8, rest - 8, s1)
        to += rest
        s0, s1, s2, s3, s4 = _permute(s0, s1, s2 ^ key0, s3 ^ key1, s4, _FIRST_A)
        _store(out, to, 8, s3 ^ key0)
        _store(out, to + 8, 8, s4 ^ key1)
        to += 16
        ad_start, start = ad_ends[frame], end


@_compiled
def _open_all(
    keys: Bytes, nonces: Bytes, ads: Bytes, ad_ends: Offsets, texts: Bytes, text_ends: Offsets, out: Bytes, good: Bytes
) -> None:
    """Fill `out` with the plaintext of each frame at the place of its ciphertext, and with zeros where `good` is 0."""
    ad_start, begin = 0, 0
    for frame in range(len(ad_ends)):
        end = text_ends[frame] - 16
        start = begin
        if end >= begin:
            key0, key1 = _load(keys, 16 * frame, 8), _load(keys, 16 * frame + 8, 8)
            s0, s1, s2, s3, s4 = _begin(key0, key1, nonces, frame, ads, ad_start, ad_ends[frame])
            while end - start >= 16:
                c0, c1 = _load(texts, start, 8), _load(texts, start + 8, 8)
                _store(out, start, 8, s0 ^ c0)
                _store(out, start + 8, 8, s1 ^ c1)
                s0, s1, s2, s3, s4 = _permute(c0, c1, s2, s3, s4, _FIRST_B)
                start += 16
            rest = end - start
            c0, c1 = _load(texts, start, rest), _load(texts, start + 8, rest - 8)
            _store(out, start, rest, s0 ^ c0)
            _store(out, start + 8, rest - 8, s1 ^ c1)
            # The state takes the ciphertext in and keeps its own bytes behind the text's end, where the pad is added.
            s0 = (s0 & ~_ones(rest)) ^ c0 ^ _pad(rest, 0)
            s1 = (s1 & ~_ones(rest - 8)) ^ c1 ^ _pad(rest, 1)
            s0, s1, s2, s3, s4 = _permute(s0, s1, s2 ^ key0, s3 ^ key1, s4, _FIRST_A)
            wrong = (s3 ^ key0 ^ _load(texts, end, 8)) | (s4 ^ key1 ^ _load(texts, end + 8, 8))
            good[frame] = wrong == _ZERO
            if wrong != _ZERO:
                out[begin:end] = 0
        ad_start, begin = ad_ends[frame], text_ends[frame]


class NumbaBackend(BatchBackend):
    """All frames of a batch in one compiled loop."""

    name = "numba"

    def seal_batch(
        self, keys: Sequence[bytes], nonces: Sequence[bytes], ads: Sequence[bytes], plaintexts: Sequence[bytes]
    ) -> list[bytes]:
        """Return ciphertext || tag of each."""
        check_sizes(keys, nonces, ads, plaintexts)
        texts, text_ends = flat(plaintexts), ends(plaintexts)
        out = np.zeros(len(texts) + TAG_BYTES * len(keys), np.uint8)
        _seal_all(flat(keys), flat(nonces), flat(ads), ends(ads), texts, text_ends, out)
        raw, cuts = out.tobytes(), [0, *(text_ends + TAG_BYTES * np.arange(1, len(keys) + 1)).tolist()]
        return [raw[start:end] for start, end in pairwise(cuts)]

    def open_batch(
        self, keys: Sequence[bytes], nonces: Sequence[bytes], ads: Sequence[bytes], sealed: Sequence[bytes]
    ) -> list[bytes | None]:
        """Return the plaintext of each, None where the tag does not match."""
        check_sizes(keys, nonces, ads, sealed)
        texts, text_ends = flat(sealed), ends(sealed)
        out, good = np.zeros(len(texts), np.uint8), np.zeros(len(keys), np.uint8)
        _open_all(flat(keys), flat(nonces), flat(ads), ends(ads), texts, text_ends, out, good)
        raw, cuts = out.tobytes(), [0, *text_ends.tolist()]
        return [
            raw[start : end - TAG_BYTES] if ok else None
            for (start, end), ok in zip(pairwise(cuts), good.tolist(), strict=True)
        ]
