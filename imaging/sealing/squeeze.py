"""Lossless DEFLATE (RFC 1951) of a stream, and inflating that cannot be used as a bomb.

A study declares its unpacked size in the signed manifest. Inflating stops at the first byte beyond it, holds one step
in memory, and refuses a ratio that no image reaches.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from imaging.errors import DecompressionBomb, StudyMalformed

LEVEL = 6
STEP_BYTES = 1 << 20
MAX_RATIO = (
    200  # DEFLATE itself ends at 1032; an MR image compresses 2 to 3 times, a k-space with 1 % samples about 100
)
RATIO_FROM_BYTES = 8 << 20  # small studies may be anything, a blank test image for example


def deflate(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the compressed form of the joined `parts`."""
    squeezer = zlib.compressobj(LEVEL)
    for part in parts:
        if squeezed := squeezer.compress(part):
            yield squeezed
    yield squeezer.flush()


def inflate(parts: Iterable[bytes], declared_bytes: int) -> Iterator[bytes]:
    """Yield the original bytes, in steps of at most STEP_BYTES.

    Raises DecompressionBomb beyond `declared_bytes` or MAX_RATIO, StudyMalformed when the stream is broken, ends
    early, or holds less than declared.
    """
    expander = zlib.decompressobj()
    consumed = produced = 0
    for part in parts:
        consumed += len(part)
        rest = part
        while rest:
            if expander.eof:
                raise StudyMalformed("There are bytes behind the end of the compressed stream.")
            step = _step(expander, rest)
            rest = expander.unconsumed_tail or expander.unused_data
            produced += len(step)
            _refuse_bomb(produced, consumed, declared_bytes)
            if step:
                yield step
    if not expander.eof or produced != declared_bytes:
        raise StudyMalformed(f"The study holds {produced} bytes where {declared_bytes} were declared.")


def _step(expander: zlib._Decompress, rest: bytes) -> bytes:
    try:
        return expander.decompress(rest, STEP_BYTES)
    except zlib.error as error:
        raise StudyMalformed("The compressed stream is broken.") from error


def _refuse_bomb(produced: int, consumed: int, declared_bytes: int) -> None:
    if produced > declared_bytes:
        raise DecompressionBomb(f"The study unpacks to more than the {declared_bytes} bytes that it declared.")
    if produced > RATIO_FROM_BYTES and produced > MAX_RATIO * consumed:
        raise DecompressionBomb(f"The study unpacks to more than {MAX_RATIO} times its size.")
