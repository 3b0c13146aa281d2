"""Daphne with bounds: `python -m twin.daphne` takes Daphne's own options.

Daphne keeps a whole body on disk before it calls an application, however long it is, and drops a socket whose message
is too long without saying why. Here a body stops growing one byte over the limit, which is enough for `BodyLimit` to
refuse it, and the application is told which sockets sent too much. Connections that send too slowly, or that wait
while a crowd does, are ended (twin/impatience.py).
"""

from __future__ import annotations

import os
import resource

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "twin.settings")

from typing import Any

import daphne.server
from daphne.cli import CommandLineInterface
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from django.apps import apps
from django.conf import settings

from compliance.errors import DomainError
from devices.waiting_room import WaitingRoom
from twin.impatience import ImpatientChannel, Note

MESSAGE_TOO_BIG = 1009  # RFC 6455, section 7.4.1


class BoundedRequest(WebRequest):  # type: ignore[misc]  # Daphne and Twisted have no types
    """A request of whose body no more is kept than shows that it is too long."""

    room = settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Keep what there is room for."""
        kept, self.room = data[: self.room], max(0, self.room - len(data))
        if kept:
            super().handleContentChunk(kept)


class BoundedHTTP(HTTPFactory):  # type: ignore[misc]
    """Makes connections whose requests are bounded, in length and in the time that they take to arrive."""

    protocol = ImpatientChannel

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._room, self._leaving = WaitingRoom(most_waiting()), WaitingRoom(most_waiting() // 2)
        self._note = note_in_events(self.reactor) if apps.ready else note_nowhere

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802
        """Return the protocol of a new connection."""
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = BoundedRequest
        protocol.room, protocol.leaving = self._room, self._leaving
        protocol.note, protocol.seconds = self._note, self.reactor.seconds
        return protocol


def note_in_events(reactor: Any) -> Note:
    """Return what writes refusals of connections down as events."""
    from twin.connection_notes import Notes

    return Notes(reactor).note


def note_nowhere(_error: DomainError) -> None:
    """Refuse without a word: another application than the house has no events."""


def most_waiting() -> int:
    """Return how many connections may wait: never more than half of the files that this process may open."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return settings.WAITING_CONNECTIONS if files < 0 else min(settings.WAITING_CONNECTIONS, files // 2)


class TellingWebSocket(WebSocketProtocol):  # type: ignore[misc]
    """A socket that says of its end whether a message was too long."""

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:  # noqa: N802, N803  # autobahn's names
        """Pass the end on."""
        too_big = self.wasMaxMessagePayloadSizeExceeded or self.wasMaxFramePayloadSizeExceeded
        super().onClose(wasClean, MESSAGE_TOO_BIG if too_big else code, reason)


class TellingWebSockets(WebSocketFactory):  # type: ignore[misc]
    """Makes such sockets."""

    protocol = TellingWebSocket


class BoundedServer(daphne.server.Server):  # type: ignore[misc]
    """Daphne's server with our connections: its `run` names the two factories, and there is no other way in."""

    def run(self) -> None:
        """Serve until stopped; not at all under a wrong key."""
        if apps.ready:  # loaded by the application that the command line names, if it is the house at all
            from compliance.services.house_keys import stop_on_wrong_keys

            stop_on_wrong_keys()
        daphne.server.HTTPFactory, daphne.server.WebSocketFactory = BoundedHTTP, TellingWebSockets
        super().run()


class BoundedDaphne(CommandLineInterface):  # type: ignore[misc]
    """Daphne's command line, starting our server."""

    server_class = BoundedServer


if __name__ == "__main__":
    BoundedDaphne.entrypoint()
