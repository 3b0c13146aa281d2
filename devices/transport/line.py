"""What a gateway needs of a connection, whatever carries it."""

from __future__ import annotations

from typing import Protocol


class Line(Protocol):
    """An open connection to the server. It closes when its context ends; both methods raise OSError or the
    protocol library's own error when it is lost."""

    async def recv(self) -> str | bytes:
        """Return the server's next JSON message."""
        ...

    async def send(self, message: str | bytes) -> None:
        """Send JSON, when it is text, or joined frames, when it is bytes."""
        ...
