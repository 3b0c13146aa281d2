"""A small pool of connections for readers: any thread borrows one, none is shared by two threads at a time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """Anything that can be closed."""

    def close(self) -> None:
        """Release what is held."""
        ...


C = TypeVar("C", bound=Closable)


class Pool(Generic[C]):
    """Keeps idle connections; opens another when all are lent."""

    def __init__(self, connect: Callable[[], C], keep: int = 8) -> None:
        self._connect, self._keep = connect, keep
        self._idle: list[C] = []
        self._closed = False
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def lend(self) -> Iterator[C]:
        """Lend a connection. One whose borrower failed is closed, not kept: it may be in the middle of something."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._connect()
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

    def close(self) -> None:
        """Close what is idle now, and what is lent as soon as it comes back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
