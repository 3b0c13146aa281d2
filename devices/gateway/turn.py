"""Whose turn it is on a line that several programs share: bulk images wait while something urgent is on its way.

A lock on one file, which the kernel lets go when its holder dies. Who is urgent holds a *shared* lock and never waits
for anybody; who sends bulk tries for an *exclusive* one before every piece, and goes when it gets it. So what is urgent
waits behind one piece at most, and a piece behind urgent traffic for `LONGEST_S` at most: bulk must not starve either.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST_S = 10.0
LOOK_EVERY_S = 0.02


class LineTurn:
    """One program's view of the turn. path: None where no file is agreed on; then nobody waits."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._held: int | None = None

    def take(self) -> None:
        """Say that something urgent is on its way. Taking it twice is taking it once."""
        if self._path is not None and self._held is None:
            self._held = self._open(self._path)
            fcntl.flock(self._held, fcntl.LOCK_SH)  # waits for the instant in which somebody looks, no longer

    def release(self) -> None:
        """Let bulk have the line."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Take the turn for as long as the block runs."""
        self.take()
        try:
            yield
        finally:
            self.release()

    def wait_for_quiet(self, at_most_s: float = LONGEST_S, sleep: Callable[[float], None] = time.sleep) -> bool:
        """Wait until nothing urgent is on its way; False when the longest wait was over first."""
        if self._path is None:
            return True
        looking = self._open(self._path)
        try:
            for _ in range(max(1, round(at_most_s / LOOK_EVERY_S))):
                try:
                    fcntl.flock(looking, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    sleep(LOOK_EVERY_S)
                else:
                    return True
            return False
        finally:
            os.close(looking)

    @staticmethod
    def _open(path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o660)  # the two programs may be two users of one group
