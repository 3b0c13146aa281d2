"""Alarm priorities of IEC 60601-1-8: how soon somebody has to act."""

from __future__ import annotations

from enum import StrEnum


class Priority(StrEnum):
    """Priority of an alarm condition (IEC 60601-1-8:2020, table 1)."""

    HIGH = "high"  # immediate response
    MEDIUM = "medium"  # prompt response
    LOW = "low"  # awareness

    @property
    def rank(self) -> int:
        """0 for high, 1 for medium, 2 for low: sorting by rank puts the most urgent first."""
        return _ORDER[self]

    def outranks(self, other: Priority) -> bool:
        """Tell whether this is more urgent than `other`."""
        return self.rank < other.rank


_ORDER = {Priority.HIGH: 0, Priority.MEDIUM: 1, Priority.LOW: 2}
