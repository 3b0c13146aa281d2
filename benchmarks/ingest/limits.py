"""What `benchmarks.ingest` compares with, as one ASGI application for the same server; the path says which.

`/null/`: the real gateway socket and queue; frames are opened, decoded and acknowledged, and nothing is written: they
are neither judged nor announced nor stored.
`/ack/`: the same socket and queue; frames are acknowledged without being opened.
`/echo/`: every message goes straight back.
"""

from __future__ import annotations

import asyncio
import os
from functools import cache, partial
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "twin.settings")

import django

django.setup()

from devices.consumers import GatewaySocket, Receive, Send  # noqa: E402
from devices.services.ingest import Answers, Arrival, Ingest, claimed  # noqa: E402
from devices.services.opening import open_frames  # noqa: E402


class NullWriter(Ingest):
    """Opens and acknowledges what comes, and writes nothing."""

    def _commit(self, arrivals: list[Arrival]) -> None:
        frames = [frame for arrival in arrivals for frame in arrival.frames]
        owners = [arrival.link for arrival in arrivals for _ in arrival.frames]
        gateways = [link.gateway_id for link in owners]
        opened = open_frames(frames, gateways, self.directory.devices, self._windows, self._ciphers)
        self._windows.update(opened.moved)
        answers = self._answers(frames, owners, opened, None)
        self._on_loop(partial(self._answer, sum(arrival.size for arrival in arrivals), answers))


class AckOnly(Ingest):
    """Acknowledges what comes by what its header claims."""

    def _commit(self, arrivals: list[Arrival]) -> None:
        answers: Answers = {arrival.link: ([], []) for arrival in arrivals}
        for arrival in arrivals:
            answers[arrival.link][0].extend(map(claimed, arrival.frames))
        self._on_loop(partial(self._answer, sum(arrival.size for arrival in arrivals), answers))


@cache
def _writer(kind: type[Ingest]) -> Ingest:
    return kind(asyncio.get_running_loop())


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Serve one connection by its path."""
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    if scope["path"] == "/echo/":
        await _echo(receive, send)
    else:
        await GatewaySocket(receive, send, _writer(NullWriter if scope["path"] == "/null/" else AckOnly)).run()


async def _echo(receive: Receive, send: Send) -> None:
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": event["bytes"]})
