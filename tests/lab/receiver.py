# ruff: noqa: E402  the house is set up before anything of it is imported
"""The house's own socket and writer as they look when nothing is sealed and nobody is asked to prove who they are.

Everything behind the seal is the house's: judging, alerts, the commit, the acknowledgement after it. What is left out:
the answer to the challenge, the tag, whose device it is, what was seen before, the credit, the bounds on strangers. It
is here to be compared with (`python -m benchmarks.security`), and serves only a home that was made for that.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "twin.settings")
django.setup()

from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

from devices.consumers import GatewaySocket
from devices.errors import FrameError, GatewayRefused
from devices.protocol.frames import HEADER_BYTES, parse_header, split_frames
from devices.protocol.hello import NONCE_BYTES, Transcript
from devices.protocol.replay import ReplayWindow
from devices.services import ingest, opening
from devices.telemetry import READING

MARK = "made-to-be-attacked"  # a file in the home: without it this is the house of somebody

if not (settings.HOME / MARK).exists():
    raise ImportError(f"{settings.HOME} is a house, and this receiver believes everybody: it serves no house.")


def believe(frames, gateways, devices, windows, ciphers):  # type: ignore[no-untyped-def]
    """Take frames for what they say: `devices.services.opening.open_frames` without any of its questions."""
    opened = opening.Opened(
        ingest.np.empty(0, READING), ingest.np.empty(0, ingest.np.intp), [], [None] * len(frames), {}
    )
    kept = []
    for index, frame in enumerate(frames):
        try:
            header = opened.headers[index] = parse_header(frame)
            known = devices[header.device]
        except (FrameError, KeyError):
            opened.errors[index] = FrameError("noise")
            continue
        window = opened.moved.get(known.number, windows.get(known.number, (0, ReplayWindow())))[1]
        with contextlib.suppress(FrameError):  # seen before, and taken all the same
            window = window.accept(header.counter)
        opened.moved[known.number] = (known.epoch, window)
        opened.senders[known.number] = known
        kept.append((index, known, frame[HEADER_BYTES:]))
    opening._decode(kept, opened)
    return opened


ingest.open_frames = believe


class TrustingSocket(GatewaySocket):
    """One connection of whoever says that it is a gateway."""

    async def _greet(self) -> None:
        nonce = os.urandom(NONCE_BYTES)
        await self._say({"type": "challenge", "nonce": nonce.hex(), "server_time": time.time()})
        event = await self._receive()
        if event["type"] != "websocket.receive":
            raise GatewayRefused("it went away")
        self.gateway_id = int(json.loads(event["text"])["gateway"])
        self.transcript = Transcript(self.gateway_id, b"", nonce, b"")

    async def _pass_frames(self) -> None:
        while (event := await self._receive())["type"] == "websocket.receive":
            frames = split_frames(event["bytes"])
            self._unanswered += len(frames)
            await self._writer.submit(self, frames, len(event["bytes"]))


async def gateway_socket(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """ASGI application for sockets, whatever their path."""
    if (await receive())["type"] == "websocket.connect":
        await send({"type": "websocket.accept"})
        await TrustingSocket(receive, send, ingest.ingest()).run()


application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": gateway_socket})
