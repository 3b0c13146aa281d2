"""Where those wait of whom nothing is known yet. In a crowd the one that has waited longest goes.

A bound that turned newcomers away would hand the house to whoever fills it first and then says nothing. Who is honest
says what it has to say within a moment, and so is rarely the one that has been silent longest.
"""

from __future__ import annotations

from typing import Protocol


class Guest(Protocol):
    """A connection that has not said yet what it wants."""

    def crowded_out(self) -> None:
        """Make room: end soon, and say why."""
        ...


class WaitingRoom:
    """At most `most` guests. Not for threads: whoever has one uses it from one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: dict[Guest, None] = {}  # in the order in which they came

    def __len__(self) -> int:
        return len(self._waiting)

    def enter(self, guest: Guest) -> None:
        """Let a guest wait; the one that has waited longest makes room for it."""
        self._waiting[guest] = None
        if len(self._waiting) > self._most:
            longest = next(iter(self._waiting))
            del self._waiting[longest]
            longest.crowded_out()

    def leave(self, guest: Guest) -> None:
        """Note that a guest was heard, or is gone; one that is not here is no mistake."""
        self._waiting.pop(guest, None)
