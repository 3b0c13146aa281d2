"""The gateway's socket: a plain ASGI loop, because a stock consumer spends more on a message than everything after it.

A gateway proves its Ed25519 key over a fresh challenge, then sends binary messages of sealed frames, never more than
`CREDIT` unanswered ones. What is in the frames is the ingest writer's business.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec
from django.utils import timezone

from compliance.errors import DomainError
from devices.errors import CreditExceeded, FrameError, FrameOversized, GatewayRefused
from devices.protocol.hello import CLOSE_REFUSED, NONCE_BYTES, Nack, ServerMessage
from devices.services.admission import CREDIT, HELLO_WITHIN_S, admit, take_frames
from devices.services.ingest import Ingest, ingest

CLOSE_BROKEN = 4400
CLOSE_TOO_BIG = 4413  # a server may not send 1009: Daphne allows applications 1000 and 3000 to 4999

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class GatewaySocket:
    """One connection of one gateway; a `devices.services.links.Link`."""

    def __init__(self, receive: Receive, send: Send, writer: Ingest) -> None:
        self._receive, self._send, self._writer = receive, send, writer
        self._unanswered = 0
        self._open = True
        self.gateway_id = 0
        self.opened_at: datetime = timezone.now()
        self.software = ""

    async def run(self) -> None:
        """Greet, check, then pass frames on until the socket closes."""
        try:
            await self._greet()
        except GatewayRefused as error:
            self._note(error)
            await self._say({"type": "refused", "code": error.code, "message": error.message})
            await self.end(CLOSE_REFUSED, error.code)
            return
        self._writer.link_changed(self, True)
        try:
            await self._pass_frames()
        except (FrameError, CreditExceeded) as error:
            self._note(error)
            await self.end(CLOSE_TOO_BIG if isinstance(error, FrameOversized) else CLOSE_BROKEN, error.code)
        finally:
            self._open = False
            self._writer.link_changed(self, False)

    async def _greet(self) -> None:
        nonce = os.urandom(NONCE_BYTES)
        await self._say({"type": "challenge", "nonce": nonce.hex(), "server_time": time.time()})
        try:
            event = await asyncio.wait_for(self._receive(), HELLO_WITHIN_S)
        except TimeoutError as error:
            raise GatewayRefused("The gateway did not answer the challenge in time.") from error
        text = event.get("text") or ""
        if event["type"] != "websocket.receive":
            raise GatewayRefused("The gateway did not answer the challenge.")
        hello = await admit(self._writer, text, nonce)
        self.gateway_id, self.software = hello["gateway"], hello["software"][:40]

    async def _pass_frames(self) -> None:
        while True:
            event = await self._receive()
            message = event.get("bytes")
            if event["type"] != "websocket.receive":
                return
            frames = take_frames(message, self._unanswered)
            self._unanswered += len(frames)
            await self._writer.submit(self, frames, len(message or b""))

    async def welcome(self) -> None:
        """The writer knows this connection: frames may come."""
        await self._say({"type": "welcome", "credit": CREDIT, "server_time": time.time()})

    async def answer(self, acked: list[tuple[int, int]], nacks: list[Nack]) -> None:
        """Acknowledge and refuse frames; their credit is free again."""
        self._unanswered -= len(acked) + len(nacks)
        if acked:
            await self._say({"type": "ack", "frames": acked})
        for refusal in nacks:
            await self._say(refusal)

    async def end(self, code: int, reason: str) -> None:
        """Close the socket."""
        if self._open:
            self._open = False
            await self._send({"type": "websocket.close", "code": code, "reason": reason})

    async def _say(self, message: ServerMessage) -> None:
        if self._open:
            await self._send({"type": "websocket.send", "text": msgspec.json.encode(message).decode()})

    def _note(self, error: DomainError) -> None:
        known = self._writer.directory.gateways.get(self.gateway_id)
        gateway_id = self.gateway_id or None
        self._writer.refusals.note(error, gateway_id=gateway_id, ward_id=known.ward_id if known else None)


async def gateway_socket(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """ASGI application for `/ws/gateway/`."""
    event = await receive()
    if event["type"] != "websocket.connect":
        return
    await send({"type": "websocket.accept"})
    await GatewaySocket(receive, send, ingest()).run()
