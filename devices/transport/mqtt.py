"""A gateway's line through an MQTT 5 broker that need not be trusted.

Frames are sealed, the hello is signed, and acknowledgements carry a proof that only a holder of the devices' keys can
make: a broker can withhold messages, but it can neither read readings nor make the gateway forget them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec

from devices.errors import FrameMalformed
from devices.protocol.hello import Ack, Presence
from devices.protocol.messages import decode_message, message_type
from devices.protocol.proof import ack_is_proven
from devices.transport.address import ANSWERS, FRAMES, HELLO, PRESENCE, BrokerAddress
from devices.transport.broker import Broker, Received, Will, connect_broker

log = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 256 * 1024
MAX_WAITING_BYTES = 4 * 1024 * 1024


class MqttLine:
    """A `Line`. The server's challenge begins a session; what belongs to another session is not heard."""

    def __init__(self, broker: Broker, address: BrokerAddress, gateway_id: int, keys: Mapping[int, bytes]) -> None:
        self._broker, self._keys = broker, keys
        self._hello, self._frames = address.topic(gateway_id, HELLO), address.topic(gateway_id, FRAMES)
        self._session = b""

    async def recv(self) -> bytes:
        """Return the next message of the newest session. Raises BrokerLost."""
        while True:
            message = await self._broker.receive()
            with contextlib.suppress(FrameMalformed):
                if self._counts(message):
                    return message.payload

    async def send(self, message: str | bytes) -> None:
        """Publish, and return when the broker has it. Raises BrokerLost."""
        topic = self._hello if isinstance(message, str) else self._frames
        payload = message.encode() if isinstance(message, str) else message
        await self._broker.publish(topic, payload, session=self._session)

    def _counts(self, message: Received) -> bool:
        """Tell whether a message speaks to us. Raises FrameMalformed for what is no message at all."""
        kind = message_type(message.payload)
        if kind == "challenge":
            self._session = message.session
        if not self._session or message.session != self._session:
            return False
        if kind != "ack":
            return True
        frames = decode_message(message.payload, Ack)["frames"]
        if ack_is_proven(message.proof, self._session, frames, self._keys):
            return True
        log.warning("event=ack_unproven frames=%d", len(frames))
        return False


@asynccontextmanager
async def open_mqtt(
    address: BrokerAddress, *, gateway_id: int, keys: Mapping[int, bytes], tls: ssl.SSLContext | None
) -> AsyncIterator[MqttLine]:
    """Open a gateway's line and say, retained, that it is there; the last will says that it is gone."""
    topic, connection = address.topic(gateway_id, PRESENCE), os.urandom(8).hex()
    gone = _presence(False, connection)
    async with connect_broker(
        address,
        identifier=f"{address.root}/{gateway_id}",
        tls=tls,
        most_message_bytes=MAX_ANSWER_BYTES,
        most_waiting_bytes=MAX_WAITING_BYTES,
        will=Will(topic, gone),
    ) as broker:
        await broker.subscribe(address.topic(gateway_id, ANSWERS))
        await broker.publish(topic, _presence(True, connection), retain=True)
        try:
            yield MqttLine(broker, address, gateway_id, keys)
        finally:
            with contextlib.suppress(OSError):
                await broker.publish(topic, gone, retain=True)


def _presence(online: bool, connection: str) -> bytes:
    presence: Presence = {"type": "presence", "online": online, "connection": connection}
    return msgspec.json.encode(presence)
