"""MLLP framing (HL7 v2 transport, release 1): start block, message, end block, carriage return."""

from __future__ import annotations

from devices.hl7.errors import FrameBroken

START, END, RETURN = b"\x0b", b"\x1c", b"\x0d"
LARGEST_BYTES = 4 << 20


def frame(message: bytes) -> bytes:
    """Return the message as one block. Raises FrameBroken when it holds a block character, which would cut it."""
    if START in message or END in message:
        raise FrameBroken("a message must not contain the characters that begin and end a block")
    return START + message + END + RETURN


class Unframer:
    """Cuts a stream into messages, however its bytes arrive.

    Raises FrameBroken on bytes outside of a block, on a block that begins inside another or is larger than `largest`,
    and on an end block without its carriage return. The stream cannot be trusted after that: close it.
    """

    def __init__(self, largest: int = LARGEST_BYTES) -> None:
        self._largest = largest
        self._held = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that `data` completes."""
        self._held += data
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    @property
    def inside(self) -> bool:
        """Tell whether a block has begun and not ended."""
        return bool(self._held)

    def _next(self) -> bytes | None:
        if not self._held:
            return None
        if not self._held.startswith(START):
            raise FrameBroken("bytes outside of a block")
        end = self._held.find(END)
        if (len(self._held) if end < 0 else end) > self._largest:
            raise FrameBroken(f"a block is larger than {self._largest} bytes")
        if self._held.find(START, 1, None if end < 0 else end) >= 0:
            raise FrameBroken("a block began before the last one ended")
        if end < 0 or end + 1 == len(self._held):
            return None
        if self._held[end + 1 : end + 2] != RETURN:
            raise FrameBroken("an end of block without its carriage return")
        message, self._held = self._held[1:end], self._held[end + 2 :]
        return message
