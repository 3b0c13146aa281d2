"""Where measurements wait between the radio and the collector, each with the mark that says how far it brings us.

A mark is the number of the newest record of a stream that was taken: minutes of a glucose session, a sequence number, a
time. The collector stores measurements and marks in one transaction, so that after any crash the backlog is read from
exactly where the queue ends.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from devices.emulator.plant import Block, Sample

Marks = dict[tuple[int, str], int]


class Inbox:
    """Filled on the event loop, emptied by the collector's thread."""

    def __init__(self, marks: Mapping[tuple[int, str], int]) -> None:
        self._lock = threading.Lock()
        self._marks: Marks = dict(marks)
        self._fresh: Marks = {}
        self._waiting: list[Sample | Block] = []

    def mark(self, device: int, stream: str) -> int | None:
        """Return how far a stream was taken, None when it never was."""
        with self._lock:
            return self._marks.get((device, stream))

    def put(self, device: int, measured: Sequence[Sample | Block], marks: Mapping[str, int] | None = None) -> None:
        """Add measurements and the marks of what they came from; both reach the collector together."""
        with self._lock:
            self._waiting.extend(measured)
            for stream, mark in (marks or {}).items():
                self._marks[device, stream] = self._fresh[device, stream] = mark

    def drain(self) -> tuple[list[Sample | Block], Marks]:
        """Return and forget what waits, and the marks that go with it."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            fresh, self._fresh = self._fresh, {}
        return waiting, fresh
