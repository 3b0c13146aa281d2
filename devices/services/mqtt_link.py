"""A gateway that proved itself through the MQTT broker, as the ingest writer sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from django.utils import timezone

from devices.errors import GatewayRefused
from devices.protocol.hello import Hello, MutualHello, Nack, ServerMessage, Transcript
from devices.services.admission import renew, take_frames, welcome_of
from devices.services.ingest import Ingest

Say = Callable[["MqttLink", ServerMessage], Awaitable[None]]
Forget = Callable[["MqttLink"], None]


class MqttLink:
    """A `devices.services.links.Link`. The challenge that its hello answered is the session; it marks every message.

    connection: the name that the gateway gave this connection in its presence.
    """

    def __init__(
        self, hello: Hello | MutualHello, transcript: Transcript, *, connection: str, say: Say, forget: Forget
    ) -> None:
        self.gateway_id = hello["gateway"]
        self.software = hello["software"][:40]
        self.opened_at: datetime = timezone.now()
        self.transcript = transcript
        self.session, self.connection = transcript.nonce, connection
        self._say, self._forget = say, forget
        self._unanswered = 0

    def take(self, message: bytes) -> list[bytes]:
        """Return the frames of a message. Raises FrameError or CreditExceeded: the connection has to end."""
        frames = take_frames(message, self._unanswered)
        self._unanswered += len(frames)
        return frames

    def renew(self, writer: Ingest, text: bytes) -> None:
        """Begin the next epoch of keys. Raises GatewayRefused or one of its kinds: the connection has to end."""
        if self._unanswered:
            raise GatewayRefused("A new epoch begins when every frame of the one before was answered.")
        self.transcript = renew(writer, text, self.transcript)
        writer.epoch_wanted(self)

    async def welcome(self) -> None:
        """The writer knows this connection, or its next epoch: frames may come."""
        await self._say(self, welcome_of(self.transcript))

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
