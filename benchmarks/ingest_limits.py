"""The two limits that `benchmarks.ingest` compares with, as ASGI applications for the same server.

`null_writer`: the real gateway socket and queue, but frames are acknowledged without being opened, judged or stored.
`echo`: every message goes straight back.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "twin.settings")

import django

django.setup()

from devices import consumers  # noqa: E402
from devices.services import ingest as module  # noqa: E402
from devices.services.ingest import Arrival, Ingest, claimed  # noqa: E402


class NullWriter(Ingest):
    """Acknowledges whatever comes."""

    def _commit(self, arrivals: list[Arrival]) -> None:
        answers: module.Answers = {arrival.link: ([], []) for arrival in arrivals}
        for arrival in arrivals:
            answers[arrival.link][0].extend(claimed(frame) for frame in arrival.frames)
        self._on_loop(self._answer(sum(arrival.size for arrival in arrivals), answers))


async def null_writer(scope: dict[str, Any], receive: consumers.Receive, send: consumers.Send) -> None:
    """The gateway's socket with nothing behind it."""
    module.Ingest = NullWriter  # type: ignore[misc]
    await consumers.gateway_socket(scope, receive, send)


async def echo(scope: dict[str, Any], receive: consumers.Receive, send: consumers.Send) -> None:
    """Send every message back."""
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": event["bytes"]})
