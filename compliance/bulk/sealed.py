"""A sealed file: AES-256-GCM pieces under a key of their own, numbered, the last one marked.

A piece on disk is its length (4 bytes, big-endian) and its ciphertext. The nonce is the piece's number and whether it
is the last (STREAM of Hoang, Reyhanitabar, Rogaway and Vizár), so that pieces can be neither exchanged nor cut off. The
key must never be used for a second file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from compliance.errors import DomainError

PIECE_BYTES = 64 * 1024
KEY_BYTES = 32
_TAG = 16


class SealedFileAltered(DomainError):
    """A file of this export was changed, cut off or is gone. Start the export again."""

    code = "export_file_altered"
    http_status = 500


class SealedFile:
    """Writes bytes; memory holds one piece. The file appears under its name only when `close` succeeded."""

    def __init__(self, path: Path, key: bytes) -> None:
        self._path, self._draft = path, path.with_suffix(".draft")
        self._cipher, self._number, self._held = AESGCM(key), 0, bytearray()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._draft.unlink(missing_ok=True)  # of a worker that was killed
        self._file: BinaryIO = os.fdopen(os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self.size = 0  # bytes written so far

    def write(self, data: bytes) -> int:
        """Add bytes and return how many."""
        self._held += data
        self.size += len(data)
        while len(self._held) > PIECE_BYTES:
            self._seal(bytes(self._held[:PIECE_BYTES]), last=False)
            del self._held[:PIECE_BYTES]
        return len(data)

    def flush(self) -> None:
        """Do nothing: what is not a whole piece yet waits. Archives ask for it after each member."""

    def close(self) -> None:
        """Seal the rest, bring it to the disk and give the file its name."""
        self._seal(bytes(self._held), last=True)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._draft.replace(self._path)

    def discard(self) -> None:
        """Leave nothing behind."""
        self._file.close()
        self._draft.unlink(missing_ok=True)

    def _seal(self, piece: bytes, *, last: bool) -> None:
        sealed = self._cipher.encrypt(_nonce(self._number, last), piece, None)
        self._file.write(len(sealed).to_bytes(4, "big") + sealed)
        self._number += 1


class SealedLines:
    """Writes lines into a sealed file and counts them."""

    def __init__(self, path: Path, key: bytes) -> None:
        self._file = SealedFile(path, key)
        self.close, self.discard = self._file.close, self._file.discard
        self.lines = 0

    def write(self, line: bytes) -> None:
        """Add a line; `line` holds no line break."""
        self._file.write(line + b"\n")
        self.lines += 1


def read_bytes(path: Path, key: bytes) -> Iterator[bytes]:
    """Yield the content, piece by piece. Raises SealedFileAltered, at the piece that does not open."""
    yield from _pieces(path, AESGCM(key))


def read_lines(path: Path, key: bytes) -> Iterator[bytes]:
    """Yield the lines without their line breaks. Raises SealedFileAltered, at the piece that does not open."""
    rest = b""
    for piece in _pieces(path, AESGCM(key)):
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines


def _pieces(path: Path, cipher: AESGCM) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            end, number, last = path.stat().st_size, 0, False
            while not last:
                length = int.from_bytes(file.read(4), "big")
                if not _TAG <= length <= PIECE_BYTES + _TAG:
                    raise SealedFileAltered
                sealed = file.read(length)
                last = file.tell() == end
                yield cipher.decrypt(_nonce(number, last), sealed, None)
                number += 1
    except (InvalidTag, OSError) as error:
        raise SealedFileAltered from error


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
