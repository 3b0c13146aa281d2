"""The gateway's socket: a plain ASGI loop, because a stock consumer spends more on a message than everything after it.

A gateway proves its Ed25519 key over a fresh challenge, then sends binary messages of sealed frames, never more than
`CREDIT` unanswered ones. What is in the frames is the ingest writer's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec
from django.conf import settings
from django.utils import timezone

from compliance.errors import DomainError
from devices.errors import CreditExceeded, FrameError, FrameOversized, GatewayCrowdedOut, GatewayRefused
from devices.protocol.hello import CLOSE_REFUSED, NONCE_BYTES, Nack, ServerMessage, Transcript
from devices.services.admission import HELLO_WITHIN_S, admit, renew, take_frames, welcome_of
from devices.services.ingest import Ingest, ingest
from devices.waiting_room import WaitingRoom

CLOSE_BROKEN = 4400
NOT_YET = Transcript(0, b"", b"", b"")  # of a gateway that has not answered its challenge
MESSAGE_TOO_BIG = 1009  # RFC 6455, section 7.4.1: how we hear that a message was
CLOSE_TOO_BIG = 4413  # a server may not send 1009: Daphne allows applications 1000 and 3000 to 4999

unproven = WaitingRoom(settings.UNPROVEN_GATEWAYS)  # sockets that have not said hello

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def refuse_too_big(event: dict[str, Any]) -> None:
    """Raise FrameOversized when the server ended the socket over a message's length (twin/daphne.py)."""
    if event.get("code") == MESSAGE_TOO_BIG:
        raise FrameOversized("a message was longer than any that a gateway sends")


class GatewaySocket:
    """One connection of one gateway; a `devices.services.links.Link`."""

    def __init__(self, receive: Receive, send: Send, writer: Ingest) -> None:
        self._receive, self._send, self._writer = receive, send, writer
        self._unanswered = 0
        self._open = True
        self._crowded = False
        self._patience: asyncio.Timeout | None = None
        self.gateway_id = 0
        self.opened_at: datetime = timezone.now()
        self.software = ""
        self.transcript = NOT_YET

    async def run(self) -> None:
        """Greet, check, then pass frames on until the socket closes."""
        try:
            await self._greet()
        except (GatewayRefused, FrameOversized) as error:
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
        except GatewayRefused as error:
            self._note(error)
            await self._say({"type": "refused", "code": error.code, "message": error.message})
            await self.end(CLOSE_REFUSED, error.code)
        finally:
            self._open = False
            self._writer.link_changed(self, False)

    async def _greet(self) -> None:
        nonce = os.urandom(NONCE_BYTES)
        await self._say({"type": "challenge", "nonce": nonce.hex(), "server_time": time.time()})
        event = await self._hear_hello()
        refuse_too_big(event)
        text = event.get("text") or ""
        if event["type"] != "websocket.receive":
            raise GatewayRefused("The gateway did not answer the challenge.")
        hello, self.transcript = await admit(self._writer, text, nonce)
        self.gateway_id, self.software = hello["gateway"], hello["software"][:40]

    async def _hear_hello(self) -> dict[str, Any]:
        try:
            unproven.enter(self)
            async with asyncio.timeout(HELLO_WITHIN_S) as self._patience:
                return await self._receive()
        except TimeoutError as error:
            if self._crowded:
                raise GatewayCrowdedOut from error
            raise GatewayRefused("The gateway did not answer the challenge in time.") from error
        finally:
            unproven.leave(self)

    def crowded_out(self) -> None:
        """Make room for a gateway that came later: this one has been silent longest."""
        self._crowded = True
        if self._patience is not None:
            with contextlib.suppress(RuntimeError):  # its time was up anyway, and it is on its way out
                self._patience.reschedule(asyncio.get_running_loop().time())

    async def _pass_frames(self) -> None:
        while True:
            event = await self._receive()
            refuse_too_big(event)
            message = event.get("bytes")
            if event["type"] != "websocket.receive":
                return
            if message is None and self.transcript.agreement is not None:
                self._renew(event.get("text") or "")
                continue
            frames = take_frames(message, self._unanswered)
            self._unanswered += len(frames)
            await self._writer.submit(self, frames, len(message or b""))

    def _renew(self, text: str) -> None:
        """Begin the next epoch of keys. No frame of the one before may be on its way."""
        if self._unanswered:
            raise GatewayRefused("A new epoch begins when every frame of the one before was answered.")
        self.transcript = renew(self._writer, text, self.transcript)
        self._writer.epoch_wanted(self)

    async def welcome(self) -> None:
        """The writer knows this connection, or its next epoch: frames may come."""
        await self._say(welcome_of(self.transcript))

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
