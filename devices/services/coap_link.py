"""A gateway that proved itself over CoAP, as the ingest writer sees it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime

import msgspec
from django.utils import timezone

from devices.errors import GatewayRefused
from devices.protocol.hello import Ack, Hello, MutualHello, Nack, ServerMessage, Transcript
from devices.services.admission import renew, take_frames, welcome_of
from devices.services.ingest import Ingest
from devices.transport.coap_address import BLOCK_BYTES, SEPARATOR

PAIRS_A_MESSAGE = 24  # an ack of so many frames fits a datagram, whatever the numbers


class CoapLink:
    """A `devices.services.links.Link`. What is to be said waits until the gateway asks, which it does all the time."""

    def __init__(
        self, hello: Hello | MutualHello, transcript: Transcript, *, forget: Callable[[CoapLink], None]
    ) -> None:
        self.gateway_id = hello["gateway"]
        self.software = hello["software"][:40]
        self.opened_at: datetime = timezone.now()
        self.transcript = transcript
        self.heard_at = time.monotonic()
        self.ended = self.forgotten = False
        self._said: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._taken = self._answered = 0
        self._posts = 0  # messages of frames that wait for their answers
        self._forget = forget

    def take(self, message: bytes) -> tuple[list[bytes], int]:
        """Return the frames of a message, and how many must be answered until all of its are.

        Raises FrameError or CreditExceeded: the connection has to end.
        """
        frames = take_frames(message, self._taken - self._answered)
        self._taken += len(frames)
        return frames, self._taken

    async def welcome(self) -> None:
        """The writer knows this connection: frames may come."""
        await self._say(welcome_of(self.transcript))

    def renew(self, writer: Ingest, hello: bytes) -> None:
        """Begin the next epoch of keys. Raises GatewayRefused or one of its kinds: the connection has to end."""
        if self._taken != self._answered:
            raise GatewayRefused("A new epoch begins when every frame of the one before was answered.")
        self.transcript = renew(writer, hello, self.transcript)
        writer.epoch_wanted(self)

    async def answer(self, acked: list[tuple[int, int]], nacks: list[Nack]) -> None:
        """Acknowledge and refuse frames; their credit is free again."""
        acks: list[Ack] = [
            {"type": "ack", "frames": acked[start : start + PAIRS_A_MESSAGE]}
            for start in range(0, len(acked), PAIRS_A_MESSAGE)
        ]
        self._answered += len(acked) + len(nacks)
        await self._say(*acks, *nacks)

    async def end(self, code: int, reason: str) -> None:
        """Tell the gateway to connect anew, if it may, and listen no more."""
        await self.refuse(GatewayRefused.code, f"{reason} ({code})")
        self._forget(self)

    async def refuse(self, code: str, message: str) -> None:
        """Say why this is the end, before anything else that waits."""
        self.ended = True
        self._said.clear()
        await self._say({"type": "refused", "code": code, "message": message})

    async def hear(self, within_s: float) -> bytes:
        """Return what there is to say, as much as fits; wait for it, and leave it to the answers to frames."""
        return await self._hear(within_s, lambda: bool(self._said) and not self._posts)

    async def hear_of_frames(self, within_s: float, answered: int) -> bytes:
        """Wait until so many frames were answered, and return what there is to say, as much as fits."""
        self._posts += 1
        try:
            return await self._hear(within_s, lambda: self._answered >= answered)
        finally:
            self._posts -= 1
            if self._said and not self._posts:
                self._wake()

    async def _hear(self, within_s: float, due: Callable[[], bool]) -> bytes:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not (self.ended or due()):
                    await self._news.wait()
        return self._fitting()

    def _fitting(self) -> bytes:
        payload = b""
        # A welcome with a renewed certificate is a little longer, and goes alone.
        while self._said and (not payload or len(payload) + len(self._said[0]) < BLOCK_BYTES):
            payload += self._said.popleft() + SEPARATOR
        return payload

    async def _say(self, *messages: ServerMessage) -> None:
        self._said.extend(msgspec.json.encode(message) for message in messages)
        self._wake()

    def _wake(self) -> None:
        """Let everybody look who waits now; who begins to wait later waits for what comes later."""
        news, self._news = self._news, asyncio.Event()
        news.set()
