"""A gateway's line without a broker: which messages it hears, and which it leaves unheard."""

from __future__ import annotations

import asyncio
import json

import pytest

from devices.protocol.proof import prove_ack
from devices.transport.address import parse_address
from devices.transport.broker import BrokerLost, Inbox, Received
from devices.transport.mqtt import MqttLine

KEYS = {7: b"7" * 16}
BRIDGE = "0123abcd"
OLD, NEW = b"o" * 32, b"n" * 32


class ScriptedBroker:
    """Delivers what a test prepared, then nothing; keeps what was published."""

    def __init__(self, *messages: Received) -> None:
        self.messages, self.published = list(messages), []

    async def receive(self) -> Received:
        if not self.messages:
            raise ConnectionError("end of the script")
        return self.messages.pop(0)

    async def publish(self, topic: str, payload: bytes, **options: object) -> None:
        self.published.append((topic, payload, options))


def said(message: object, session: bytes, proof: str = "") -> Received:
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    return Received("medtwin/1/3/answers", payload, session, proof, BRIDGE if message == CHALLENGE else "")


def line(*messages: Received) -> MqttLine:
    return MqttLine(ScriptedBroker(*messages), parse_address("mqtt://broker"), 3, KEYS)  # type: ignore[arg-type]


async def heard(on: MqttLine) -> list[dict[str, object]]:
    messages = []
    with pytest.raises(ConnectionError):
        while True:
            messages.append(json.loads(await on.recv()))
    return messages


CHALLENGE = {"type": "challenge", "nonce": "00", "server_time": 0}
ACK = {"type": "ack", "frames": [[7, 42]]}


async def test_messages_of_the_newest_session_are_heard_and_others_are_not() -> None:
    welcome, nack = {"type": "welcome"}, {"type": "nack"}
    script = [said(welcome, OLD), said(CHALLENGE, OLD), said(CHALLENGE, NEW), said(nack, OLD), said(welcome, NEW)]
    assert await heard(line(*script)) == [CHALLENGE, CHALLENGE, welcome]


async def test_challenge_without_a_session_is_not_heard() -> None:
    assert await heard(line(said(CHALLENGE, b""), said({"type": "welcome"}, b""))) == []


async def test_only_a_proven_acknowledgement_is_heard() -> None:
    good = prove_ack(NEW, [(7, 42)], KEYS)
    forged = prove_ack(NEW, [(7, 42)], {7: bytes(16)})
    old = prove_ack(OLD, [(7, 42)], KEYS)
    assert await heard(line(said(CHALLENGE, NEW), *[said(ACK, NEW, p) for p in ("", forged, old, good)])) == [
        CHALLENGE,
        ACK,
    ]


@pytest.mark.parametrize("babble", [b"", b"{", b"[]", b"[" * 100_000, b'{"type": "ack", "frames": 1}'])
async def test_babble_does_not_disturb(babble: bytes) -> None:
    welcome = {"type": "welcome"}
    assert await heard(line(said(CHALLENGE, NEW), said(babble, NEW), said(welcome, NEW))) == [CHALLENGE, welcome]


async def test_text_is_a_hello_and_bytes_are_frames_of_the_session() -> None:
    on = line(said(CHALLENGE, NEW))
    await on.recv()
    await on.send('{"type": "hello"}')
    await on.send(b"frames")
    assert on._broker.published == [
        (f"medtwin/1/3/hello/{BRIDGE}", b'{"type": "hello"}', {"session": NEW}),
        (f"medtwin/1/3/frames/{BRIDGE}", b"frames", {"session": NEW}),
    ]


@pytest.mark.parametrize("bridge", ["", "+", "0123abcd/x", "#", "0123ABCD", "0123abcd\0"])
async def test_bridge_of_a_name_that_is_none_is_not_heard(bridge: str) -> None:
    challenge = said(CHALLENGE, NEW)._replace(bridge=bridge)
    assert await heard(line(challenge, said({"type": "welcome"}, NEW))) == []


async def test_end_of_our_bridge_ends_the_line_and_that_of_another_does_not() -> None:
    gone = json.dumps({"type": "bridge", "online": False}).encode()
    of_another = Received("medtwin/1/bridges/ffffffff", gone, b"", "")
    of_ours = Received(f"medtwin/1/bridges/{BRIDGE}", gone, b"", "")
    on = line(said(CHALLENGE, NEW), of_another, said({"type": "welcome"}, NEW), of_ours, said({"type": "ack"}, NEW))
    assert [json.loads(await on.recv())["type"] for _ in range(2)] == ["challenge", "welcome"]
    with pytest.raises(BrokerLost, match="bridge"):
        await on.recv()


async def test_bridge_that_comes_hears_of_a_gateway_that_nobody_answered() -> None:
    here = json.dumps({"type": "bridge", "online": True}).encode()
    on = line(Received("medtwin/1/bridges/ffffffff", here, b"", ""))
    await heard(on)
    assert [topic for topic, _, _ in on._broker.published] == ["medtwin/1/3/presence"]


def test_inbox_is_bounded_in_bytes() -> None:
    class Small(Inbox):
        most_bytes = 100

    inbox = Small()
    for _ in range(2):
        inbox.put_nowait(_message(60))
    with pytest.raises(asyncio.QueueFull):
        inbox.put_nowait(_message(1))
    assert len(inbox.get_nowait().payload) == 60
    inbox.put_nowait(_message(1))
    assert inbox.qsize() == 2


def _message(size: int):  # type: ignore[no-untyped-def]
    from aiomqtt import Message

    return Message("t", bytes(size), 0, False, 1, None)
