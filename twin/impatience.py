"""A connection on which a request has to arrive within reason, and that makes room where a crowd waits.

Twisted ends a connection on which nothing comes for a minute, so that a byte a minute holds it for ever. Here a request
has ten seconds, and one more for each thousand bytes of it that came. Who has sent nothing at all yet is left to
Twisted's minute, since browsers open connections in advance, and to the crowd.

Twisted calls a request done when its answer lies in a buffer. Until that has left, the connection waits for nothing of
its client: it has a room of its own, and as much time for each thousand bytes as a request has.
"""

# mypy: disable-error-code="no-untyped-call"
# Twisted's own methods have no types.

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request

from compliance.errors import DomainError
from devices.waiting_room import WaitingRoom
from twin.errors import ConnectionCrowdedOut, ConnectionTooSlow

GRACE_S = 10.0
SLOWEST_BYTES_PER_S = 1000.0  # slower than any line of a gateway or a phone

Note = Callable[[DomainError], None]


class ImpatientChannel(HTTPChannel):
    """One HTTP connection. Rooms and note come from the factory; seconds: a clock that only goes on.

    room: for those whose request has not arrived. leaving: for those whose answer has not left.
    """

    room: WaitingRoom
    leaving: WaitingRoom
    note: Note
    seconds: Callable[[], float]

    def __init__(self) -> None:
        super().__init__()
        self._received = 0
        self._began_at = 0.0
        self._look: Any = None  # the call that will judge how much came
        self._heard = False  # a whole request came, and is being answered
        self._written = 0  # bytes of answers, since none of them waited to leave
        self._answered_at: float | None = None  # while the answer leaves

    def connectionMade(self) -> None:  # noqa: N802  # Twisted's names, here and below
        """Wait for a request."""
        super().connectionMade()
        self._wait_in(self.room)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Count what comes of a request; with its first byte its time begins, with each it is silent no more."""
        if not self._heard:
            self._wait_in(self.room)
            self._received += len(data)
            if self._look is None:
                self._began_at = self.seconds()
                self._look = self.callLater(GRACE_S, self._judge)
        super().dataReceived(data)

    def allContentReceived(self) -> None:  # noqa: N802
        """The request is whole: its answer may take as long as it takes."""
        self._heard = True
        self._no_longer_waits()
        super().allContentReceived()

    def requestDone(self, request: Request) -> None:  # noqa: N802
        """Answered: let the answer leave, and wait for the next."""
        self._heard = not self.persistent  # nothing comes after the last
        if self._waitingForTransport or not self.persistent:
            self._wait_in(self.leaving)
            self._answered_at = self.seconds()
            self.setTimeout(self._savedTimeOut)  # after a last request Twisted would wait for ever
        else:
            self._written = 0
            self._wait_in(self.room)
        super().requestDone(request)

    def write(self, data: bytes) -> None:
        """Count what goes out in answer."""
        self._written += len(data)
        super().write(data)

    def writeSequence(self, iovec: Sequence[bytes]) -> None:  # noqa: N802
        """Count what goes out in answer."""
        self._written += sum(map(len, iovec))
        super().writeSequence(iovec)

    def resumeProducing(self) -> None:  # noqa: N802
        """All that was written has left."""
        super().resumeProducing()
        self._written = 0
        if self._answered_at is not None:
            self._wait_in(self.room)
            self.resetTimeout()

    def timeoutConnection(self) -> None:  # noqa: N802
        """Nothing came for a minute: no wonder while an answer leaves, as long as that takes no longer than it may."""
        if self._answered_at is None:
            super().timeoutConnection()
        elif self._left_s(self._answered_at, self._written) > 0.0:
            self.setTimeout(self.timeOut)
        else:
            self.forceAbortClient()  # politely, it would be waited for once more

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """Gone."""
        self._no_longer_waits()
        super().connectionLost(reason)

    def crowded_out(self) -> None:
        """Make room for somebody who came later."""
        self._end(ConnectionCrowdedOut())

    def _judge(self) -> None:
        self._look = None
        left_s = self._left_s(self._began_at, self._received)
        if left_s > 0.0:
            self._look = self.callLater(left_s, self._judge)
        else:
            self._end(ConnectionTooSlow())

    def _left_s(self, began_at: float, size: int) -> float:
        return began_at + GRACE_S + size / SLOWEST_BYTES_PER_S - self.seconds()

    def _wait_in(self, room: WaitingRoom) -> None:
        self._leave_rooms()
        room.enter(self)

    def _leave_rooms(self) -> None:
        self.room.leave(self)
        self.leaving.leave(self)
        self._answered_at = None

    def _end(self, error: DomainError) -> None:
        self.note(error)
        cast(Any, self.transport).abortConnection()  # politely, a slow reader would be waited for

    def _no_longer_waits(self) -> None:
        self._leave_rooms()
        self._received = 0
        if self._look is not None:
            self._look.cancel()
            self._look = None
