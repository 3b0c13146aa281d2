"""What every line promises, whatever carries it: see "What every line promises" in docs/wire-protocol.md."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.exceptions import ConnectionClosed

from devices.errors import StoreUnavailable
from devices.kinds.registry import by_key
from devices.protocol.frames import join_frames
from devices.services.admission import CREDIT, MAX_MESSAGE_BYTES
from devices.services.telemetry import store
from tests.devices.ingest.cast import events
from tests.devices.transport.conformance.carriers import PATIENCE_S, Carrier, in_database
from tests.patience import until

pytestmark = pytest.mark.django_db(transaction=True)
HEART_RATE = by_key("heart_rate").code


def values(device) -> list[float]:
    return [row.value for row in store().history([device.id], [HEART_RATE], 0, time.time() + 1e6)]


def beat(device, value: float = 70.0, **options: object) -> bytes:
    return device.frame(("heart_rate", time.time(), value), **options)


async def noted(code: str) -> list:
    return await events(code, within_s=PATIENCE_S)


async def test_frame_of_a_greeted_gateway_is_stored_and_acknowledged(carrier, gateway, monitor):
    async with carrier.talk(gateway) as talk:
        await talk.greet()
        await talk.send(beat(monitor, 71.5))
        assert await talk.answers(1) == [{"type": "ack", "device": monitor.id, "counter": 1}]
        assert values(monitor) == [71.5]


@pytest.mark.parametrize("lie", ["key", "nonce", "signature", "number"])
async def test_stranger_is_refused_and_recorded(carrier, gateway, other_gateway, monitor, lie):
    async with carrier.talk(gateway) as talk:
        challenge = await talk.hear()
        if lie == "key":
            gateway.key = Ed25519PrivateKey.generate()
        if lie == "nonce":
            challenge["nonce"] = "00" * 32
        changes = {"signature": {"signature": "00" * 64}, "number": {"gateway": other_gateway.id}}.get(lie, {})
        await talk.hello(challenge, **changes)
        assert (await talk.ended())["type"] == "refused"
        assert (await noted("gateway_refused"))[0].category == "security"
    assert values(monitor) == []


async def test_frames_before_the_greeting_are_not_taken(carrier, gateway, monitor):
    async with carrier.talk(gateway) as talk:
        await talk.hear()
        frame = beat(monitor, 66.0)
        try:
            await talk.send(frame)
        except OSError:
            pass
        else:
            if carrier.name != "mqtt":  # there it is heard by nobody, so that strangers cannot make us speak
                await talk.ended()
    async with carrier.talk(gateway) as talk:
        await talk.greet()
        await talk.send(beat(monitor, 77.0))
        await talk.answers(1)
    assert values(monitor) == [77.0]


async def test_acknowledgement_comes_after_the_commit_and_not_before(carrier, gateway, monitor, monkeypatch):
    reached, released = threading.Event(), threading.Event()
    write = type(store()).write

    def held(self, *arguments):
        reached.set()
        assert released.wait(PATIENCE_S)
        return write(self, *arguments)

    async with carrier.talk(gateway) as talk:
        await talk.greet()
        monkeypatch.setattr(type(store()), "write", held)
        await talk.send(beat(monitor))
        await until(reached.is_set, PATIENCE_S)
        hearing = asyncio.ensure_future(talk.answers(1))
        await asyncio.sleep(0.3)  # time enough for an answer that must not come
        assert not hearing.done()
        released.set()
        assert (await hearing)[0]["type"] == "ack"
        assert values(monitor) == [70.0]


async def test_what_cannot_be_stored_now_is_put_off_and_welcome_later(carrier, gateway, monitor, monkeypatch):
    async with carrier.talk(gateway) as talk:
        await talk.greet()
        with monkeypatch.context() as broken:
            broken.setattr(type(store()), "write", lambda *_: (_ for _ in ()).throw(StoreUnavailable()))
            await talk.send(beat(monitor, 70.0, seq=1))
            (nack,) = await talk.answers(1)
        assert (nack["type"], nack["code"], nack["permanent"]) == ("nack", "store_unavailable", False)
        await talk.send(beat(monitor, 70.0, seq=1))
        assert (await talk.answers(1))[0] == {"type": "ack", "device": monitor.id, "counter": 2}
    assert values(monitor) == [70.0]


async def test_forged_frame_is_refused_for_good_and_alone(carrier, gateway, monitor):
    async with carrier.talk(gateway) as talk:
        await talk.greet()
        forged = bytearray(beat(monitor, 70.0))
        forged[-1] ^= 1
        await talk.send(bytes(forged), beat(monitor, 71.0))
        said = {answer["type"]: answer for answer in await talk.answers(2)}
        assert (said["nack"]["code"], said["nack"]["counter"], said["nack"]["permanent"]) == ("frame_forged", 1, True)
        assert said["ack"]["counter"] == 2
    assert values(monitor) == [71.0]


async def test_frame_that_comes_twice_is_stored_once(carrier, gateway, monitor):
    async with carrier.talk(gateway) as talk:
        await talk.greet()
        frame = beat(monitor, 70.0, seq=1)
        await talk.send(frame)
        await talk.answers(1)
        await talk.send(frame, beat(monitor, 70.0, seq=1))
        said = {answer["type"]: answer for answer in await talk.answers(2)}
        assert said["nack"]["code"] == "frame_replayed"
        assert said["ack"]["counter"] == 2  # the same reading under a new counter: known, and said to be safe
    assert values(monitor) == [70.0]


async def test_a_whole_credit_of_frames_may_be_on_its_way(carrier, gateway, monitor):
    async with carrier.talk(gateway) as talk:
        await talk.greet()
        await talk.send(*[beat(monitor, 60.0 + number) for number in range(CREDIT)])
        assert {answer["counter"] for answer in await talk.answers(CREDIT)} == set(range(1, CREDIT + 1))
    assert len(values(monitor)) == CREDIT


async def test_one_frame_over_the_credit_ends_the_line_and_is_recorded(carrier, gateway, monitor):
    async with carrier.talk(gateway) as talk:
        await talk.greet()
        await talk.raw(join_frames([beat(monitor) for _ in range(CREDIT + 1)]))
        await talk.ended()
        assert (await noted("gateway_credit_exceeded"))[0].gateway_id == gateway.id
    assert values(monitor) == []


@pytest.mark.parametrize(
    ("message", "code"),
    [(b"\x00\x10short", "frame_truncated"), (bytes(MAX_MESSAGE_BYTES + 1), "frame_oversized")],
    ids=["truncated", "oversized"],
)
async def test_what_is_no_message_ends_the_line_and_is_recorded(carrier, gateway, monitor, message, code):
    async with carrier.talk(gateway) as talk:
        await talk.greet()
        await talk.raw(message)
        await talk.ended()
        assert (await noted(code))[0].gateway_id == gateway.id


async def test_largest_frame_there_may_be_arrives_whole(carrier, gateway, monitor):
    import numpy as np

    samples = (np.arange(8000) % 400).astype(np.int16)
    async with carrier.talk(gateway) as talk:
        await talk.greet()
        await talk.send(monitor.waveform("ecg", time.time(), samples))
        assert (await talk.answers(1))[0]["type"] == "ack"
    (block,) = store().waveforms(monitor.id, by_key("ecg").code, 0, time.time() + 1e6)
    assert (block.samples == samples).all()


async def test_device_of_another_gateway_is_refused(carrier, gateway, other_gateway, make_monitor):
    foreign = await in_database(lambda: make_monitor(other_gateway))
    async with carrier.talk(gateway) as talk:
        await talk.greet()
        await talk.send(beat(foreign))
        (nack,) = await talk.answers(1)
    assert (nack["code"], nack["permanent"]) == ("frame_wrong_device", True)


async def test_newest_of_two_lines_wins(carrier, gateway, monitor):
    async with carrier.talk(gateway) as older:
        await older.greet()
        async with carrier_talk_beside(carrier, gateway) as newer:
            await newer.greet()
            await older.ended()
            await newer.send(beat(monitor, 80.0))
            assert (await newer.answers(1))[0]["type"] == "ack"
    assert values(monitor) == [80.0]


def carrier_talk_beside(carrier: Carrier, gateway):
    """A second computer with the same identity has numbers of its own on its disk."""
    gateway.folder = gateway.folder / "second"
    gateway.folder.mkdir()
    return carrier.talk(gateway)


async def test_revoked_gateway_is_cut_off_and_stays_out(carrier, gateway, monitor):
    from devices.models import Gateway

    async with carrier.talk(gateway) as talk:
        await talk.greet()
        await in_database(lambda: Gateway.objects.filter(pk=gateway.id).update(state="quarantined"))
        said = await talk.ended()
        assert said["type"] in ("refused", "closed")
    async with carrier.talk(gateway) as talk:
        challenge = await talk.hear()
        await talk.hello(challenge)
        assert (await talk.ended())["type"] == "refused"
    assert values(monitor) == []


async def test_gateway_that_leaves_is_known_to_be_gone(carrier, gateway, monitor):
    from devices.models import GatewaySession

    def closed() -> list[bool]:
        return [row.closed_at is not None for row in GatewaySession.objects.filter(gateway_id=gateway.id)]

    async with carrier.talk(gateway) as talk:
        await talk.greet()
        await talk.send(beat(monitor))
        await talk.answers(1)
        assert await in_database(closed) == [False]
    await _eventually(closed, [True])


async def test_who_opens_and_says_nothing_holds_nobody_up(carrier, gateway, other_gateway, monitor, monkeypatch):
    from devices import consumers
    from devices.services import coap, mqtt

    def hasten(patch: pytest.MonkeyPatch) -> None:
        for module in (consumers, mqtt, coap):
            patch.setattr(module, "HELLO_WITHIN_S", 0.5)

    async with contextlib.AsyncExitStack() as lines:
        with monkeypatch.context() as soon:
            hasten(soon)
            silent = await lines.enter_async_context(carrier.talk(other_gateway))
            challenge = await silent.hear()
        async with carrier.talk(gateway) as talk:  # in its own time: a busy machine may need more than half a second
            await talk.greet()
            await talk.send(beat(monitor))
            assert (await talk.answers(1))[0]["type"] == "ack"
        hasten(monkeypatch)
        await asyncio.sleep(0.6)
        with contextlib.suppress(ConnectionClosed):  # a socket is closed by now; elsewhere the answer comes too late
            await silent.hello(challenge)
        assert (await silent.ended())["type"] == "refused"


async def _eventually(ask: Callable[[], object], wanted: object) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (found := await in_database(ask)) != wanted:
            await asyncio.sleep(0.05)
    assert found == wanted
