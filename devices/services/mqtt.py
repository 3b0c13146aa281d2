"""The bridge: brings the gateways of an MQTT broker to this process's ingest writer, and its answers back to them.

A gateway's presence is answered with a challenge, a good hello with a link at the writer, frames with what the writer
says after its commit. Any number of bridges share a broker's gateways: a presence reaches one of them, which names
itself in the challenge, and from then on the gateway speaks to that one alone. Nothing is kept here: whatever dies, the
gateways still have what was not acknowledged, and say to the other bridges that they are there.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from contextlib import suppress
from typing import NamedTuple

import msgspec

from compliance.errors import DomainError
from devices.errors import CreditExceeded, FrameError, GatewayRefused
from devices.protocol.hello import NONCE_BYTES, BridgeNews, Challenge, Presence, Refused, ServerMessage
from devices.protocol.messages import decode_message
from devices.protocol.proof import prove_ack
from devices.services.admission import HELLO_WITHIN_S, admit
from devices.services.ingest import Ingest
from devices.services.mqtt_link import MqttLink
from devices.transport.address import ANSWERS, FRAMES, GONE, HELLO, PRESENCE, SHARE, BrokerAddress
from devices.transport.broker import Broker, BrokerLost, Received

log = logging.getLogger(__name__)

MOST_ASKED = 10_000  # challenges that may wait for their answer


class Asked(NamedTuple):
    """A challenge on its way. at: on the monotonic clock."""

    nonce: bytes
    connection: str
    at: float


def bridge_news(online: bool) -> bytes:
    """Return what a bridge says of itself to every gateway."""
    news: BridgeNews = {"type": "bridge", "online": online}
    return msgspec.json.encode(news)


class Bridge:
    """One connection to the broker, on the writer's event loop."""

    def __init__(self, broker: Broker, address: BrokerAddress, writer: Ingest, name: str) -> None:
        self._broker, self._address, self._writer, self._name = broker, address, writer, name
        self._shared = f"{SHARE}{address.of_all_gateways(PRESENCE)}"
        self._asked: dict[int, Asked] = {}
        self._links: dict[int, MqttLink] = {}
        self._greetings: set[asyncio.Task[None]] = set()
        self._hear = {
            PRESENCE: self._presence,
            GONE: self._gone,
            f"{HELLO}/{name}": self._hello,
            f"{FRAMES}/{name}": self._frames,
        }

    async def run(self) -> None:
        """Serve gateways until cancelled. Raises BrokerLost."""
        try:
            # Presence last: it starts the greetings, whose answers must be heard.
            own = (f"{FRAMES}/{self._name}", f"{HELLO}/{self._name}", GONE)
            await self._broker.subscribe(*map(self._address.of_all_gateways, own))
            await self._broker.subscribe(self._shared)
            await self._broker.publish(self._address.of_bridge(self._name), bridge_news(True))
            while True:
                await self._pass_on(await self._broker.receive())
        finally:
            with suppress(BrokerLost):
                await self._broker.unsubscribe(self._shared)  # first: who comes from now on goes to another bridge
                await self._broker.publish(self._address.of_bridge(self._name), bridge_news(False))
            for task in self._greetings:
                task.cancel()
            for link in list(self._links.values()):
                self._forget(link)

    async def _pass_on(self, message: Received) -> None:
        gateway_id, leaf = self._address.place(message.topic) or (0, "")
        if gateway_id and leaf in self._hear:
            await self._hear[leaf](gateway_id, message)

    # --- Who is there ----------------------------------------------------------------------------------------------

    async def _presence(self, gateway_id: int, message: Received) -> None:
        presence = self._decoded(message)
        if presence is None or not presence["online"]:
            return
        asked, link = self._asked.get(gateway_id), self._links.get(gateway_id)
        if link is not None and link.connection == presence["connection"]:
            return
        if asked is None or asked.connection != presence["connection"]:
            asked = self._ask(gateway_id, presence["connection"])
        if asked is not None:  # said again by a gateway that did not hear the challenge: the same once more
            challenge: Challenge = {"type": "challenge", "nonce": asked.nonce.hex(), "server_time": time.time()}
            await self._publish(gateway_id, asked.nonce, challenge, bridge=self._name)

    async def _gone(self, gateway_id: int, message: Received) -> None:
        presence = self._decoded(message)
        if presence is None or presence["online"]:
            return
        asked, link = self._asked.get(gateway_id), self._links.get(gateway_id)
        if asked is not None and asked.connection == presence["connection"]:
            del self._asked[gateway_id]
        if link is not None and link.connection == presence["connection"]:
            self._forget(link)

    def _decoded(self, message: Received) -> Presence | None:
        try:
            return decode_message(message.payload, Presence)
        except FrameError as error:
            self._note(error)
            return None

    def _ask(self, gateway_id: int, connection: str) -> Asked | None:
        now = time.monotonic()
        if len(self._asked) >= MOST_ASKED:
            self._asked = {key: asked for key, asked in self._asked.items() if now - asked.at < HELLO_WITHIN_S}
        if len(self._asked) >= MOST_ASKED:
            log.warning("too many gateways want to connect at once; they will try again")
            return None
        asked = self._asked[gateway_id] = Asked(os.urandom(NONCE_BYTES), connection, now)
        return asked

    async def _hello(self, gateway_id: int, message: Received) -> None:
        link = self._links.get(gateway_id)
        if link is not None and link.session == message.session and link.transcript.agreement is not None:
            await self._renew(link, message.payload)
            return
        asked = self._asked.get(gateway_id)
        if asked is None or asked.nonce != message.session:
            # Recorded, not answered: an old hello that is shown again must not disturb the gateway it was stolen from.
            self._note(GatewayRefused("A hello answers no challenge of ours."))
            return
        del self._asked[gateway_id]
        # Not awaited: the registry may have to be read again, and the others' frames must not wait for it.
        task = asyncio.create_task(self._greet(gateway_id, asked, message.payload))
        self._greetings.add(task)
        task.add_done_callback(self._greetings.discard)

    async def _greet(self, gateway_id: int, asked: Asked, answer: bytes) -> None:
        try:
            if time.monotonic() - asked.at > HELLO_WITHIN_S:
                raise GatewayRefused("The gateway did not answer the challenge in time.")
            hello, transcript = await admit(self._writer, answer, asked.nonce)
            if hello["gateway"] != gateway_id:
                raise GatewayRefused("The gateway speaks on the topics of another.")
        except GatewayRefused as error:
            self._note(error)
            refused: Refused = {"type": "refused", "code": error.code, "message": error.message}
            await self._publish(gateway_id, asked.nonce, refused)
            return
        link = MqttLink(hello, transcript, connection=asked.connection, say=self._say, forget=self._forget)
        self._links[gateway_id] = link  # an older one is ended by the writer
        self._writer.link_changed(link, True)

    async def _renew(self, link: MqttLink, hello: bytes) -> None:
        try:
            link.renew(self._writer, hello)
        except GatewayRefused as error:
            self._note(error, link.gateway_id)
            await self._say(link, {"type": "refused", "code": error.code, "message": error.message})
            self._forget(link)

    def _forget(self, link: MqttLink) -> None:
        if self._links.get(link.gateway_id) is link:
            del self._links[link.gateway_id]
        self._writer.link_changed(link, False)

    # --- What they send and what they are told -----------------------------------------------------------------------

    async def _frames(self, gateway_id: int, message: Received) -> None:
        link = self._links.get(gateway_id)
        if link is None or link.session != message.session:
            log.debug("frames outside a session of gateway %d; it will send them again", gateway_id)
            return
        try:
            frames = link.take(message.payload)
        except (FrameError, CreditExceeded) as error:
            self._note(error, gateway_id)
            refused: Refused = {"type": "refused", "code": error.code, "message": error.message}
            await self._say(link, refused)
            self._forget(link)
            return
        await self._writer.submit(link, frames, len(message.payload))

    async def _say(self, link: MqttLink, message: ServerMessage) -> None:
        proof = ""
        if message["type"] == "ack":
            devices = self._writer.directory.devices
            # A device that left the registry a moment ago: its frame comes again, and is refused by name.
            frames = message["frames"] = [pair for pair in message["frames"] if pair[0] in devices]
            proof = prove_ack(link.session, frames, {device: devices[device].key for device, _ in frames})
        await self._publish(link.gateway_id, link.session, message, proof)

    async def _publish(
        self, gateway_id: int, session: bytes, message: ServerMessage, proof: str = "", bridge: str = ""
    ) -> None:
        """Publish at most once: a lost answer costs a repetition, and `receive` tells when the broker is lost."""
        topic = self._address.topic(gateway_id, ANSWERS)
        with suppress(BrokerLost):
            raw = msgspec.json.encode(message)
            await self._broker.publish(topic, raw, qos=0, session=session, proof=proof, bridge=bridge)

    def _note(self, error: DomainError, gateway_id: int | None = None) -> None:
        known = self._writer.directory.gateways.get(gateway_id or 0)
        self._writer.refusals.note(error, gateway_id=gateway_id, ward_id=known.ward_id if known else None)
