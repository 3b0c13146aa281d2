"""Gateways through a real broker: what arrives is stored and acknowledged; what is wrong is refused and recorded."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from devices.kinds.registry import by_key
from devices.protocol.frames import join_frames
from devices.protocol.hello import make_hello
from devices.protocol.proof import ack_is_proven
from devices.services.admission import CREDIT, MAX_MESSAGE_BYTES
from devices.services.telemetry import store
from devices.transport.address import ANSWERS, FRAMES, GONE, HELLO, PRESENCE
from tests.devices.ingest.cast import events
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.mqtt, pytest.mark.django_db(transaction=True)]


class ToyMqttGateway:
    """A gateway that speaks MQTT by hand, so that it can lie."""

    def __init__(self, broker, address, gateway_id, key) -> None:  # type: ignore[no-untyped-def]
        self.broker, self.address, self.id, self.key = broker, address, gateway_id, key
        self.session = b""
        self.proof = self.bridge = ""

    async def say(self, leaf, message, **changes):  # type: ignore[no-untyped-def]
        payload = message if isinstance(message, bytes) else json.dumps(message).encode()
        options = {"session": self.session} | changes
        place = f"{leaf}/{self.bridge}" if leaf in (HELLO, FRAMES) else leaf
        await self.broker.publish(self.address.topic(self.id, place), payload, **options)

    async def hear(self, within_s: float = PATIENCE_S) -> dict:
        """Return the next message of the newest session."""
        async with asyncio.timeout(within_s):
            while True:
                received = await self.broker.receive()
                message = json.loads(received.payload)
                if message["type"] == "challenge":
                    self.session, self.bridge = received.session, received.bridge
                if received.session == self.session:
                    self.proof = received.proof
                    return message

    async def open(self, connection: str = "c1") -> dict:
        """Say that it is here; return the challenge."""
        await self.broker.subscribe(self.address.topic(self.id, ANSWERS))
        await self.say(PRESENCE, {"type": "presence", "online": True, "connection": connection})
        return await self.hear()

    async def connect(self, connection: str = "c1"):  # type: ignore[no-untyped-def]
        challenge = await self.open(connection)
        await self.say(HELLO, make_hello(challenge, gateway_id=self.id, software="toy", key=self.key))
        assert (await self.hear())["type"] == "welcome"
        return self


@pytest.fixture
async def toy(bridge, broker, address, gateway, gateway_key):  # type: ignore[no-untyped-def]
    return ToyMqttGateway(broker, address, gateway.pk, gateway_key)


def heart_rates(device):  # type: ignore[no-untyped-def]
    return store().history([device.id], [by_key("heart_rate").code], 0, time.time() + 1e6)


async def test_sealed_frame_is_stored_and_acknowledged_with_proof(toy, monitor):
    await toy.connect()
    await toy.say(FRAMES, join_frames([monitor.frame(("heart_rate", time.time(), 71.5))]))
    assert await toy.hear() == {"type": "ack", "frames": [[monitor.id, 1]]}
    assert ack_is_proven(toy.proof, toy.session, [(monitor.id, 1)], {monitor.id: monitor.key})
    assert [row.value for row in heart_rates(monitor)] == [71.5]


@pytest.mark.parametrize("lie", ["signature", "key", "nonce", "gateway", "json", "nested", "long"])
async def test_forged_hello_is_refused_and_recorded(toy, lie):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    challenge = await toy.open()
    if lie == "nonce":
        challenge["nonce"] = "00" * 32
    key = Ed25519PrivateKey.generate() if lie == "key" else toy.key
    hello = make_hello(challenge, gateway_id=toy.id, software="x", key=key)
    if lie == "signature":
        hello["signature"] = "00" * 64
    if lie == "gateway":
        hello["gateway"] += 1
    raw = {"json": b"{", "nested": b'{"x":' + b"[" * 1000, "long": b"x" * 5000}.get(lie, json.dumps(hello).encode())
    await toy.say(HELLO, raw)
    answer = await toy.hear()
    assert (answer["type"], answer["code"]) == ("refused", "gateway_refused")
    (event,) = await events("gateway_refused")
    assert event.category == "security"


async def test_recorded_hello_opens_nothing_and_disturbs_nobody(toy, monitor):
    challenge = await toy.open()
    hello = make_hello(challenge, gateway_id=toy.id, software="toy", key=toy.key)
    await toy.say(HELLO, hello)
    assert (await toy.hear())["type"] == "welcome"
    await toy.say(HELLO, hello)
    await events("gateway_refused")
    await toy.say(FRAMES, join_frames([monitor.frame(("heart_rate", time.time(), 70.0))]))
    answer = await toy.hear()
    assert answer["type"] == "ack", answer


async def test_gateway_of_nobody_is_refused(toy):
    toy.id = 4_000_000_000
    challenge = await toy.open()
    await toy.say(HELLO, make_hello(challenge, gateway_id=toy.id, software="toy", key=toy.key))
    assert (await toy.hear())["type"] == "refused"
    await events("gateway_refused")


async def test_signed_hello_on_the_topic_of_another_gateway_is_refused(toy):
    own, toy.id = toy.id, toy.id + 1
    challenge = await toy.open()
    await toy.say(HELLO, make_hello(challenge, gateway_id=own, software="toy", key=toy.key))
    assert (await toy.hear())["type"] == "refused"
    await events("gateway_refused")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"\x00\x10short", "frame_truncated"),
        (b"", "frame_malformed"),
        (bytes(MAX_MESSAGE_BYTES + 1), "frame_oversized"),
        (join_frames([b"x" * 36] * (CREDIT + 1)), "gateway_credit_exceeded"),
    ],
    ids=["truncated", "empty", "oversized", "over the credit"],
)
async def test_malformed_payload_ends_the_session_and_is_recorded(toy, monitor, message, code):
    await toy.connect()
    await toy.say(FRAMES, message)
    answer = await toy.hear()
    assert (answer["type"], answer["code"]) == ("refused", code)
    (event,) = await events(code)
    assert event.gateway_id == toy.id
    await toy.say(FRAMES, join_frames([monitor.frame(("heart_rate", time.time(), 70.0))]))
    with pytest.raises(TimeoutError):
        await toy.hear(within_s=1)
    assert heart_rates(monitor) == []


async def test_forged_frame_is_refused_alone(toy, monitor):
    await toy.connect()
    forged = bytearray(monitor.frame(("heart_rate", time.time(), 70.0)))
    forged[-1] ^= 1
    await toy.say(FRAMES, join_frames([bytes(forged), monitor.frame(("heart_rate", time.time(), 71.0))]))
    answers = {answer["type"]: answer for answer in [await toy.hear(), await toy.hear()]}
    assert set(answers) == {"ack", "nack"}, answers
    assert answers["nack"]["code"] == "frame_forged"
    assert answers["ack"]["frames"] == [[monitor.id, 2]]
    await events("frame_forged")


@pytest.mark.parametrize("presence", [b"{", b'{"type": "presence"}', b"[" * 100_000])
async def test_malformed_presence_is_recorded_and_not_challenged(toy, presence):
    await toy.broker.subscribe(toy.address.topic(toy.id, ANSWERS))
    await toy.say(PRESENCE, presence)
    await events("frame_malformed")
    with pytest.raises(TimeoutError):
        await toy.hear(within_s=0.5)


async def test_frames_of_an_earlier_session_are_not_heard(toy, monitor):
    await toy.connect("c1")
    stale = toy.session
    await toy.connect("c2")
    assert toy.session != stale
    await toy.say(FRAMES, join_frames([monitor.frame(("heart_rate", time.time(), 66.0))]), session=stale)
    await toy.say(FRAMES, join_frames([monitor.frame(("heart_rate", time.time(), 77.0))]))
    assert await toy.hear() == {"type": "ack", "frames": [[monitor.id, 2]]}
    assert [row.value for row in heart_rates(monitor)] == [77.0]


async def test_session_ends_when_the_gateway_leaves_or_may_no_longer_connect(toy, monitor, gateway):
    from channels.db import database_sync_to_async

    from devices.models import Gateway

    await toy.connect()
    await database_sync_to_async(Gateway.objects.filter(pk=gateway.pk).update)(state="quarantined")
    answer = await toy.hear()
    assert answer["type"] == "refused"
    assert "no longer" in answer["message"]


async def test_late_farewell_of_an_old_connection_leaves_the_new_one_open(toy, monitor):
    await toy.connect("c2")
    await toy.say(GONE, {"type": "presence", "online": False, "connection": "c1"})
    await toy.say(FRAMES, join_frames([monitor.frame(("heart_rate", time.time(), 70.0))]))
    answer = await toy.hear()
    assert answer["type"] == "ack", answer


async def test_farewell_ends_the_session(toy, monitor):
    await toy.connect("c1")
    await toy.say(GONE, {"type": "presence", "online": False, "connection": "c1"})
    await toy.say(FRAMES, join_frames([monitor.frame(("heart_rate", time.time(), 70.0))]))
    with pytest.raises(TimeoutError):
        await toy.hear(within_s=1)


async def test_strangers_on_other_topics_are_not_answered(toy, monitor):
    await toy.broker.publish(f"{toy.address.root}/x/presence", b'{"type": "presence"}')
    await toy.broker.publish(f"{toy.address.root}/0/hello", b"{}")
    await toy.connect()


async def test_presence_said_again_brings_the_same_challenge(toy):
    """A challenge may be lost; the gateway that asks again is no other one."""
    first = await toy.open("c1")
    again = await toy.open("c1")
    assert again["nonce"] == first["nonce"]
    assert (await toy.open("c2"))["nonce"] != first["nonce"]
