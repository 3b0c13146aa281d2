"""Numbers that are used once: reserved on disk in blocks before the first of a block is used.

What is killed starts behind every number that it may have used. At each start the numbers leap to the time, so that
losing the file, or restoring an old copy of it, repeats none either.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from compliance.errors import DomainError

BLOCK = 1024
EPOCH_S = 1_735_689_600  # 2025-01-01
PER_S = 512  # 40 bits of such numbers last for 68 years; nobody sends more than 512 messages a second for long


class NumbersExhausted(DomainError):
    """No sequence number is left that may be used now."""

    code = "sequence_numbers_exhausted"


def floor_now() -> int:
    """Return the least number that a start at this moment may use."""
    return max(0, int((time.time() - EPOCH_S) * PER_S))


class NumberFile:
    """The numbers of one sender, kept in one file. Raises OSError when it cannot be written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = self._reserved = max(self._read(), floor_now())

    def take(self) -> int:
        """Return the next number."""
        if self._next >= self._reserved:
            self._write(self._next + BLOCK)
            self._reserved = self._next + BLOCK
        self._next += 1
        return self._next - 1

    def _read(self) -> int:
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int(self._path.read_text())
        return 0

    def _write(self, reserved: int) -> None:
        draft = self._path.with_name(f"{self._path.name}.new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(str(reserved))
            file.flush()
            os.fsync(descriptor)
        draft.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
