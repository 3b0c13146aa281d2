"""A connection to an MQTT 5 broker, as little of it as gateway and bridge need.

`aiomqtt` is an extra: it is loaded at the first use, and its absence is said in a sentence. Its errors become
`BrokerLost`. Sessions are clean and nothing is retained, on purpose: what was not acknowledged by the *server* is sent
again anyway, so a broker has nothing to keep.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from compliance.errors import DomainError
from devices.transport.address import BrokerAddress

if TYPE_CHECKING:
    import aiomqtt
    from paho.mqtt.properties import Properties

KEEPALIVE_S = 20  # a gateway that vanished is declared gone by the broker after one and a half of these
ANSWER_WITHIN_S = 10.0  # of the broker itself


class LibraryMissing(DomainError):
    """MQTT needs the package aiomqtt: install Medtwin with the extra `mqtt`."""

    code = "mqtt_library_missing"


class BrokerLost(ConnectionError):
    """The broker cannot be reached, refused, or went away."""


class Received(NamedTuple):
    """A message. session: its MQTT 5 correlation data. proof, bridge: its user properties. Empty when absent."""

    topic: str
    payload: bytes
    session: bytes
    proof: str
    bridge: str = ""


class Will(NamedTuple):
    """What the broker publishes when the connection breaks."""

    topic: str
    payload: bytes


def require_library() -> ModuleType:
    """Return aiomqtt. Raises LibraryMissing."""
    try:
        import aiomqtt
    except ImportError as error:
        raise LibraryMissing from error
    return aiomqtt


class Inbox(asyncio.Queue["aiomqtt.Message"]):
    """aiomqtt's queue of arrived messages, bounded in bytes: what is over the bound is dropped, and comes again."""

    most_bytes = 0

    def _init(self, maxsize: int) -> None:
        self._queue: deque[aiomqtt.Message] = deque()
        self._bytes = 0

    def _put(self, item: aiomqtt.Message) -> None:
        self._queue.append(item)
        self._bytes += len(item.payload)

    def _get(self) -> aiomqtt.Message:
        item = self._queue.popleft()
        self._bytes -= len(item.payload)
        return item

    def full(self) -> bool:
        """Tell whether the next message is dropped."""
        return self._bytes > self.most_bytes


class Broker:
    """An open connection. Every method raises BrokerLost."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client

    async def subscribe(self, *topics: str) -> None:
        """Ask for these topics, which may hold wildcards."""
        with _lost():
            for topic in topics:
                granted = await self._client.subscribe(topic, qos=1)
                if any(getattr(code, "is_failure", False) for code in granted):
                    raise BrokerLost(f"the broker does not let us hear {topic}: {granted[0]}")

    async def unsubscribe(self, topic: str) -> None:
        """Ask for this topic no more."""
        with _lost():
            await self._client.unsubscribe(topic)

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, session: bytes = b"", proof: str = "", bridge: str = ""
    ) -> None:
        """Publish; with QoS 1 wait until the broker has it."""
        with _lost():
            await self._client.publish(topic, payload, qos, False, _properties(session, proof=proof, bridge=bridge))

    async def receive(self) -> Received:
        """Wait for the next message."""
        with _lost():
            message = await anext(self._client.messages)
        session = getattr(message.properties, "CorrelationData", b"")
        said = dict(getattr(message.properties, "UserProperty", []))
        topic, payload = str(message.topic), bytes(message.payload)
        return Received(topic, payload, session, said.get("proof", ""), said.get("bridge", ""))


@asynccontextmanager
async def connect_broker(
    address: BrokerAddress,
    *,
    identifier: str,
    tls: ssl.SSLContext | None,
    most_message_bytes: int,
    most_waiting_bytes: int,
    will: Will | None = None,
) -> AsyncIterator[Broker]:
    """Open a connection and close it at the end. Raises BrokerLost or LibraryMissing."""
    library = require_library()
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.MaximumPacketSize = most_message_bytes
    client = library.Client(
        address.host,
        address.port,
        username=address.username,
        password=address.password,
        identifier=identifier,
        queue_type=type("BoundedInbox", (Inbox,), {"most_bytes": most_waiting_bytes}),
        protocol=library.ProtocolVersion.V5,
        clean_start=True,
        properties=properties,
        will=library.Will(will.topic, will.payload, qos=1) if will else None,
        tls_context=tls if address.tls else None,
        keepalive=KEEPALIVE_S,
        timeout=ANSWER_WITHIN_S,
    )
    with _lost():
        async with client:
            yield Broker(client)


@contextmanager
def _lost() -> Iterator[None]:
    library = require_library()
    try:
        yield
    except library.MqttError as error:
        raise BrokerLost(f"the MQTT broker: {error.__cause__ or error}") from error


def _properties(session: bytes, **said: str) -> Properties:
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if session:
        properties.CorrelationData = session
    if pairs := [(name, text) for name, text in said.items() if text]:
        properties.UserProperty = pairs
    return properties
