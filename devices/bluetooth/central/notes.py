"""What the gateway's log says about the air, without letting a broken device fill the disk with it."""

from __future__ import annotations

import logging
from collections import Counter

from compliance.errors import DomainError

log = logging.getLogger(__name__)


class Notes:
    """Counts events by device and code; writes the 1st, 2nd, 4th, 8th ... of each."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[int, str]] = Counter()

    def refused(self, device: int, error: DomainError) -> None:
        """Note that something was not believed."""
        self.counts[device, error.code] += 1
        count = self.counts[device, error.code]
        if count & (count - 1) == 0:
            log.warning("event=%s device=%d count=%d reason=%r", error.code, device, count, error.message)

    def say(self, event: str, device: int, **values: object) -> None:
        """Note something that is no fault."""
        self.counts[device, event] += 1
        log.info("event=%s device=%d%s", event, device, "".join(f" {key}={value}" for key, value in values.items()))
