"""A gateway that proved itself through the MQTT broker, as the ingest writer sees it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import datetime

from django.utils import timezone

from devices.errors import GatewayRefused
from devices.protocol.hello import Hello, Nack, ServerMessage
from devices.services.admission import CREDIT, take_frames

Say = Callable[["MqttLink", ServerMessage], Awaitable[None]]
Forget = Callable[["MqttLink"], None]


class MqttLink:
    """A `devices.services.links.Link`. session: the challenge that its hello answered; it marks every message.

    connection: the name that the gateway gave this connection in its presence.
    """

    def __init__(self, hello: Hello, *, session: bytes, connection: str, say: Say, forget: Forget) -> None:
        self.gateway_id = hello["gateway"]
        self.software = hello["software"][:40]
        self.opened_at: datetime = timezone.now()
        self.session, self.connection = session, connection
        self._say, self._forget = say, forget
        self._unanswered = 0

    def take(self, message: bytes) -> list[bytes]:
        """Return the frames of a message. Raises FrameError or CreditExceeded: the connection has to end."""
        frames = take_frames(message, self._unanswered)
        self._unanswered += len(frames)
        return frames

    async def welcome(self) -> None:
        """The writer knows this connection: frames may come."""
        await self._say(self, {"type": "welcome", "credit": CREDIT, "server_time": time.time()})

    async def answer(self, acked: list[tuple[int, int]], nacks: list[Nack]) -> None:
        """Acknowledge and refuse frames; their credit is free again."""
        self._unanswered -= len(acked) + len(nacks)
        if acked:
            await self._say(self, {"type": "ack", "frames": acked})
        for refusal in nacks:
            await self._say(self, refusal)

    async def end(self, code: int, reason: str) -> None:
        """Tell the gateway to connect anew, if it may, and listen no more."""
        await self._say(self, {"type": "refused", "code": GatewayRefused.code, "message": f"{reason} ({code})"})
        self._forget(self)
