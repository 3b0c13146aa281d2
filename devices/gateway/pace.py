"""When ordinary readings leave: as soon as they come, or gathered for a while and then in one burst.

What is pressing never waits, and while it has the radio up, what has gathered goes with it: it costs little more then.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from devices.gateway.queue import DiskQueue, QueueUnusable

log = logging.getLogger(__name__)

ALL = (1 << 63) - 1  # above every batch's id


class Pace:
    """The collector's thread says how long to gather, the line asks what may leave."""

    def __init__(self, queue: DiskQueue, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._queue, self._monotonic = queue, monotonic
        self._lock = threading.Lock()
        self._through, self._due_s = ALL, 0.0
        self.hold_s = 0.0
        self.deflate: bool | None = None

    def follow(self, hold_s: float, deflate: bool | None) -> None:
        """Gather for so long from now on; what may leave already still may."""
        with self._lock:
            if not hold_s:
                self._through = ALL
            elif not self.hold_s:
                self._through, self._due_s = self._queue.newest_id(), self._monotonic() + hold_s
            else:
                self._due_s += hold_s - self.hold_s
            self.hold_s, self.deflate = hold_s, deflate

    def release(self, pressing: bool) -> int:
        """Return up to which batch ordinary readings may leave now. pressing: something is to be sent anyway."""
        with self._lock:
            now_s = self._monotonic()
            if not self.hold_s or not (pressing or now_s >= self._due_s):
                return self._through
        through = self._gather()  # a backlog takes long, and the collector's thread must not wait for it
        with self._lock:
            if self.hold_s:
                self._through, self._due_s = through, now_s + self.hold_s
            return self._through

    def _gather(self) -> int:
        try:
            return self._queue.gather()
        except QueueUnusable as error:  # as many small frames then: late would be worse
            log.error("event=not_gathered reason=%r", error.message)
            return self._queue.newest_id()
