"""The two limits that `benchmarks.ingest` compares with, as ASGI applications for the same server.

`null_writer`: the real gateway socket and queue; frames are opened, decoded and acknowledged, and nothing is written:
they are neither judged nor announced nor stored.
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
from devices.services.ingest import Arrival, Ingest  # noqa: E402
from devices.services.opening import open_frames  # noqa: E402


class NullWriter(Ingest):
    """Opens and acknowledges what comes, and writes nothing."""

    def _commit(self, arrivals: list[Arrival]) -> None:
        frames = [frame for arrival in arrivals for frame in arrival.frames]
        owners = [arrival.link for arrival in arrivals for _ in arrival.frames]
        gateways = [link.gateway_id for link in owners]
        opened = open_frames(frames, gateways, self.directory.devices, self._windows, self._cipher)
        self._windows.update(opened.moved)
        answers = self._answers(frames, owners, opened, None)
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
