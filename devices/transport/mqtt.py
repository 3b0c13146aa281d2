"""A gateway's line through an MQTT 5 broker that need not be trusted.

Frames are sealed, the hello is signed, and acknowledgements carry a proof that only a holder of the devices' keys can
make: a broker can withhold messages, but it can neither read readings nor make the gateway forget them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec

from devices.errors import FrameMalformed
from devices.protocol.hello import Ack, BridgeNews, Presence
from devices.protocol.messages import decode_message, message_type
from devices.protocol.proof import ack_is_proven
from devices.transport.address import ANSWERS, FRAMES, GONE, HELLO, PRESENCE, BrokerAddress, is_bridge
from devices.transport.broker import Broker, BrokerLost, Received, Will, connect_broker

log = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 256 * 1024
MAX_WAITING_BYTES = 4 * 1024 * 1024
PRESENCE_AGAIN_S = 3.0  # until a bridge answers
NEWS_AFTER_S = 1.0


class MqttLine:
    """A `Line`. A bridge's challenge begins a session with it; what belongs to another session is not heard."""

    def __init__(
        self,
        broker: Broker,
        address: BrokerAddress,
        gateway_id: int,
        keys: Mapping[int, bytes],
        connection: str = "",
    ) -> None:
        self._broker, self._address, self._keys = broker, address, keys
        self._gateway_id, self._connection = gateway_id, connection
        self._session, self._bridge = b"", ""
        self._said_at = -NEWS_AFTER_S  # that we are here; on the monotonic clock

    async def announce(self) -> None:
        """Say that we are here, again and again, until a bridge answers. Raises BrokerLost."""
        while not self._session:
            await self._say_here()
            await asyncio.sleep(PRESENCE_AGAIN_S)

    async def _say_here(self) -> None:
        self._said_at = time.monotonic()
        await self._broker.publish(self._address.topic(self._gateway_id, PRESENCE), presence(True, self._connection))

    async def recv(self) -> bytes:
        """Return the next message of the newest session. Raises BrokerLost."""
        while True:
            message = await self._broker.receive()
            with contextlib.suppress(FrameMalformed):
                if bridge := self._address.bridge_of(message.topic):
                    await self._hear_of(bridge, decode_message(message.payload, BridgeNews))
                elif self._counts(message):
                    return message.payload

    async def send(self, message: str | bytes) -> None:
        """Publish, and return when the broker has it. Raises BrokerLost."""
        leaf = HELLO if isinstance(message, str) else FRAMES
        payload = message.encode() if isinstance(message, str) else message
        topic = self._address.topic(self._gateway_id, f"{leaf}/{self._bridge}")
        await self._broker.publish(topic, payload, session=self._session)

    async def _hear_of(self, bridge: str, news: BridgeNews) -> None:
        """A bridge came or went. Raises BrokerLost when it is ours that went: another takes us over."""
        if news["online"]:
            # Two bridges that hear it would both answer: what was said a moment ago is said again in due time.
            if not self._session and time.monotonic() - self._said_at > NEWS_AFTER_S:
                await self._say_here()
        elif bridge == self._bridge:
            raise BrokerLost("the bridge at the other end went away")

    def _counts(self, message: Received) -> bool:
        """Tell whether a message speaks to us. Raises FrameMalformed for what is no message at all."""
        kind = message_type(message.payload)
        if kind == "challenge" and is_bridge(message.bridge):
            self._session, self._bridge = message.session, message.bridge
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
    """Open a gateway's line and say that it is there; the last will says that it is gone."""
    topic, connection = address.topic(gateway_id, GONE), os.urandom(8).hex()
    gone = presence(False, connection)
    async with connect_broker(
        address,
        identifier=f"{address.root}/{gateway_id}",
        tls=tls,
        most_message_bytes=MAX_ANSWER_BYTES,
        most_waiting_bytes=MAX_WAITING_BYTES,
        will=Will(topic, gone),
    ) as broker:
        await broker.subscribe(address.topic(gateway_id, ANSWERS), address.of_bridge("+"))
        line = MqttLine(broker, address, gateway_id, keys, connection)
        announcing = asyncio.create_task(line.announce())
        try:
            yield line
        finally:
            announcing.cancel()
            await asyncio.gather(announcing, return_exceptions=True)
            with contextlib.suppress(OSError):
                await broker.publish(topic, gone)


def presence(online: bool, connection: str) -> bytes:
    """Return what a gateway says of itself. connection: a name that it gives this one."""
    said: Presence = {"type": "presence", "online": online, "connection": connection}
    return msgspec.json.encode(said)
