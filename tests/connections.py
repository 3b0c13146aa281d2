"""A connection that nobody closed is told by the collector, in whatever test runs then: let it say whose it was."""

from __future__ import annotations

import traceback
from typing import Any
from warnings import warn

FRAMES = 24  # of the stack that opened a connection: enough to reach the test, or the thread


def let_connections_say_who_opened_them() -> None:
    """Add the stack that opened a connection to psycopg's warning that it was never closed."""
    from psycopg import Connection

    began, ended = Connection.__init__, Connection.__del__

    def begin(self: Any, *args: Any, **others: Any) -> None:
        began(self, *args, **others)
        self._opened_by = traceback.extract_stack(limit=FRAMES)

    def end(self: Any) -> None:
        def tell(text: str, kind: type[Warning]) -> None:
            opened_by = "".join(traceback.format_list(getattr(self, "_opened_by", [])))
            warn(f"{text}\nIt was opened here:\n{opened_by}", kind, stacklevel=3)

        ended(self, tell)

    Connection.__init__ = begin
    Connection.__del__ = end
