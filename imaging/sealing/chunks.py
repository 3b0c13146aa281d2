"""Chunked authenticated encryption: a stream of any length, sealed and opened in pieces of constant memory.

The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizar, CRYPTO 2015) over AES-256-GCM: the nonce of a piece is its
index and whether it is the last one. A flipped bit, an exchanged, repeated, missing or cut-off piece does not open. A
key seals one stream only, which is why the nonce needs no random part.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from imaging.errors import ChunkMissing, StudyAltered

CHUNK_BYTES = 1 << 20
TAG_BYTES = 16
KEY_BYTES = 32


def seal_chunks(key: bytes, aad: bytes, parts: Iterable[bytes], chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Yield sealed pieces of `chunk_bytes` plaintext each (the last may be shorter, even empty) of the joined
    `parts`."""
    cipher = AESGCM(key)
    buffer = bytearray()
    index = 0
    for part in parts:
        buffer += part
        while len(buffer) > chunk_bytes:  # never emits the last byte: a final piece always follows
            yield cipher.encrypt(_nonce(index, final=False), bytes(buffer[:chunk_bytes]), aad)
            del buffer[:chunk_bytes]
            index += 1
    yield cipher.encrypt(_nonce(index, final=True), bytes(buffer), aad)


def open_chunks(key: bytes, aad: bytes, chunks: Iterable[bytes], count: int) -> Iterator[bytes]:
    """Yield the plaintext of exactly `count` sealed pieces.

    Raises StudyAltered when a piece does not open at its place and ChunkMissing when there are fewer than `count`.
    Plaintext already yielded is authentic; that the stream is whole is certain only once this generator ends.
    """
    cipher = AESGCM(key)
    seen = 0
    for index, chunk in enumerate(chunks):
        if index >= count:
            raise StudyAltered(f"There are more than the {count} pieces that were sealed.")
        try:
            yield cipher.decrypt(_nonce(index, final=index == count - 1), chunk, aad)
        except (InvalidTag, ValueError) as error:
            raise StudyAltered(f"Piece {index} of {count} does not open.") from error
        seen += 1
    if seen < count:
        raise ChunkMissing(f"{count - seen} of {count} pieces are missing.")


def _nonce(index: int, *, final: bool) -> bytes:
    return struct.pack(">B3xQ", final, index)
