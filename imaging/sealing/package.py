"""The container inside a sealed study: named files, one after another, nothing else.

    "MTPK" version:u8   { name_length:u16 name size:u64 bytes }*   0:u16

Big endian. Unlike tar or zip it has no folders, links, modes, offsets or second index that could contradict the
first, so there is nothing to escape from and nothing to disagree about.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from imaging.errors import DecompressionBomb, StudyMalformed

HEADER = b"MTPK\x01"
MAX_FILES = 5000
MAX_FILE_BYTES = 512 << 20
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


class Entry(NamedTuple):
    """One file: a plain name without folders, and its bytes."""

    name: str
    data: bytes


def packed_bytes(sizes: Iterable[tuple[str, int]]) -> int:
    """Return the length of the container for files of these names and sizes."""
    return len(HEADER) + sum(10 + len(name) + size for name, size in sizes) + 2


def pack(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield the container; raise StudyMalformed for a name that is not plain."""
    yield HEADER
    for entry in entries:
        name = entry.name.encode()
        _check_name(entry.name)
        yield struct.pack(">H", len(name)) + name + struct.pack(">Q", len(entry.data))
        yield entry.data
    yield struct.pack(">H", 0)


def unpack(parts: Iterable[bytes]) -> Iterator[Entry]:
    """Yield the files of the container that `parts` join to, one in memory at a time.

    Raises StudyMalformed for anything that does not add up and DecompressionBomb for more files or bytes than a study
    has.
    """
    reader = _Reader(parts)
    if reader.take(len(HEADER)) != HEADER:
        raise StudyMalformed("This is not a study container.")
    names: set[str] = set()
    while length := struct.unpack(">H", reader.take(2))[0]:
        name = _decoded(reader.take(length))
        size = struct.unpack(">Q", reader.take(8))[0]
        if name in names:
            raise StudyMalformed("Two files in the study have the same name.")
        names.add(name)
        if size > MAX_FILE_BYTES or len(names) > MAX_FILES:
            raise DecompressionBomb(f"A study has at most {MAX_FILES} files of at most {MAX_FILE_BYTES} bytes.")
        yield Entry(name, reader.take(size))
    reader.expect_end()


def _decoded(raw: bytes) -> str:
    try:
        name = raw.decode("ascii")
    except UnicodeDecodeError as error:
        raise StudyMalformed("A file name in the study is not plain.") from error
    return _check_name(name)


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise StudyMalformed("A file name in the study is not plain.")
    return name


class _Reader:
    """Takes exact lengths from a stream of parts."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = iter(parts)
        self._buffer = bytearray()

    def take(self, length: int) -> bytes:
        while len(self._buffer) < length:
            part = next(self._parts, None)
            if part is None:
                raise StudyMalformed("The study container ends early.")
            self._buffer += part
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        return taken

    def expect_end(self) -> None:
        if self._buffer or any(self._parts):
            raise StudyMalformed("There are bytes behind the end of the study container.")
