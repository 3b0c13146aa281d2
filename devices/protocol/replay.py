"""The replay window: which frame counters of one device and key epoch were already accepted.

The scheme of RFC 4303, appendix A2: the highest counter accepted so far and a bitmap of those just below it. A counter
below the window cannot be told from a replay and is refused; a gateway that sends again does so under a new counter.
"""

from __future__ import annotations

from typing import NamedTuple

from devices.errors import FrameReplayed

WINDOW = 64  # the highest counter and the 63 below it: the bitmap fits a signed 64-bit column


class ReplayWindow(NamedTuple):
    """An immutable window; `(high, bitmap)` is all that has to be stored.

    high: the highest counter accepted, 0 at the start. bitmap: bit i stands for counter high - 1 - i.
    """

    high: int = 0
    bitmap: int = 0

    def admits(self, counter: int) -> bool:
        """Tell whether a frame with this counter would be new. Counters start at 1."""
        if counter > self.high:
            return True
        behind = self.high - counter
        return counter > 0 and 0 < behind < WINDOW and not self.bitmap >> (behind - 1) & 1

    def accept(self, counter: int) -> ReplayWindow:
        """Return the window with this counter marked. Raises FrameReplayed when it is not admitted.

        Call it only after the tag was checked: a forger must not be able to move the window.
        """
        if not self.admits(counter):
            raise FrameReplayed(f"counter {counter} was already accepted or lies behind the window below {self.high}")
        if counter < self.high:
            return ReplayWindow(self.high, self.bitmap | 1 << (self.high - counter - 1))
        step = counter - self.high
        if step >= WINDOW:
            return ReplayWindow(counter, 0)
        # The old highest counter becomes one of those just below the new one.
        was_set = 1 if self.high else 0
        moved = (self.bitmap << 1 | was_set) << (step - 1)
        return ReplayWindow(counter, moved & ((1 << (WINDOW - 1)) - 1))
