"""A small pool of connections for readers: any thread borrows one, none is shared by two threads at a time."""

from __future__ import annotations

import contextlib
import select
import threading
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """Anything that can be closed."""

    def close(self) -> None:
        """Release what is held."""
        ...


C = TypeVar("C", bound=Closable)


def is_quiet(descriptor: int) -> bool:
    """Tell whether nothing waits to be read from a socket: where nothing was asked, it could only be a farewell."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return not poll.poll(0)


class Pool(Generic[C]):
    """Keeps idle connections; opens another when all are lent.

    lives: tells of an idle connection whether it may still be lent. A server that was started anew has ended them all.
    """

    def __init__(self, connect: Callable[[], C], keep: int = 8, lives: Callable[[C], bool] = lambda _: True) -> None:
        self._connect, self._keep, self._lives = connect, keep, lives
        self._idle: list[C] = []
        self._closed = False
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def lend(self) -> Iterator[C]:
        """Lend a connection. One whose borrower failed is closed, not kept: it may be in the middle of something."""
        connection = self._kept() or self._connect()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._lock:
            if len(self._idle) < self._keep and not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _kept(self) -> C | None:
        """Return an idle connection that lives, and close those found before it that do not."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if self._lives(connection):
                return connection
            connection.close()

    def close(self) -> None:
        """Close what is idle now, and what is lent as soon as it comes back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
