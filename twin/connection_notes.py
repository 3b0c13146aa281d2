"""Refusals of connections, written down beside the event loop.

Needs the apps, and so is imported only where they are: `twin.daphne` also serves other applications.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import DatabaseError, connections

from compliance.errors import DomainError
from devices.services.refusals import Refusals

log = logging.getLogger(__name__)

WRITTEN_EVERY_S = 1.0


class Notes:
    """Writes refusals of connections down, in a thread and at most once a second: a crowd must not hold up the loop."""

    def __init__(self, reactor: Any) -> None:
        self._reactor, self._refusals, self._due = reactor, Refusals(), False

    def note(self, error: DomainError) -> None:
        """Remember a refusal; it is written soon."""
        self._refusals.note(error)
        self._plan()

    def _plan(self) -> None:
        if not self._due:
            self._due = True
            self._reactor.callLater(WRITTEN_EVERY_S, self._begin)

    def _begin(self) -> None:
        self._due = False
        self._reactor.callInThread(self._write)

    def _write(self) -> None:
        try:
            self._refusals.flush()
        except DatabaseError as error:
            log.warning("refused connections are not noted now, and will be later: %s", error)
            self._reactor.callFromThread(self._plan)
        finally:
            connections.close_all()
