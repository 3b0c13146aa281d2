"""A radio in the clear: whoever is near hears every packet, keeps it, stands in between, and sends."""

from __future__ import annotations

from collections.abc import Callable

Hear = Callable[[bytes], None]


class Radio:
    """The air of one room.

    recorded: everything that was sent. between: what somebody in between makes of a packet; None swallows it.
    """

    def __init__(self) -> None:
        self.recorded: list[bytes] = []
        self.between: Callable[[bytes], bytes | None] = lambda packet: packet
        self._listeners: list[Hear] = []

    def listen(self, hear: Hear) -> None:
        self._listeners.append(hear)

    def send(self, packet: bytes) -> None:
        """Let everybody hear a packet, or what became of it on its way."""
        self.recorded.append(packet)
        arrived = self.between(packet)
        for hear in self._listeners if arrived is not None else ():
            hear(arrived)
