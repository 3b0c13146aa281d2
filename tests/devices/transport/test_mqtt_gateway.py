"""The agent over a real broker: readings arrive and leave the queue, and only the server can make it forget them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from compliance.errors import DomainError
from devices.gateway import agent as agent_module
from devices.gateway.agent import Agent
from devices.gateway.config import ConfigRefused, load
from devices.transport.address import ANSWERS, FRAMES, PRESENCE
from devices.transport.broker import LibraryMissing
from tests.devices.gateway.conftest import write_config  # noqa: F401
from tests.devices.gateway.test_agent import running
from tests.patience import until


@pytest.fixture
async def agent_config(write_config, tmp_path, gateway, gateway_key, monitor, broker, broker_url, address):  # type: ignore[no-untyped-def]  # noqa: F811
    (tmp_path / "mqtt.key").write_text(gateway_key.private_bytes_raw().hex())
    return write_config(
        server=broker_url,
        gateway_id=gateway.pk,
        private_key_file="mqtt.key",
        interval_s=0.05,
        devices=[{"device_id": monitor.id, "kind": "vital_signs_monitor", "key_hex": monitor.key.hex()}],
        options={"ecg": True},
    )


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_module, "BACKOFF_FIRST_S", 0.2)


def stored(device) -> list[int]:  # type: ignore[no-untyped-def]
    from devices.services.telemetry import store
    from tests.devices.gateway.plants import ECG, HEART_RATE

    readings = [row.seq for row in store().history([device.id], [HEART_RATE], 0, time.time() + 1e6)]
    return sorted(readings + [block.seq for block in store().waveforms(device.id, ECG, 0, time.time() + 1e6)])


@pytest.mark.mqtt
@pytest.mark.django_db(transaction=True)
async def test_readings_and_waveforms_arrive_and_leave_the_queue(bridge, agent_config, monitor):  # type: ignore[no-untyped-def]
    async with running(agent_config) as agent:
        first = agent.queue.next_seqs()[monitor.id]
        await until(lambda: len(stored(monitor)) > 60)
        await until(lambda: agent.queue.depth().waiting <= 6)
        assert agent.queue.depth().dead == 0
    seqs = stored(monitor)
    assert seqs == list(range(first, first + len(seqs)))


@pytest.mark.mqtt
@pytest.mark.django_db(transaction=True)
async def test_agent_comes_back_when_the_bridge_does(agent_config, monitor, address, monkeypatch):  # type: ignore[no-untyped-def]
    import asyncio

    from devices.services import ingest, mqtt_serving

    monkeypatch.setattr(ingest, "TICK_S", 0.1)
    async with running(agent_config) as agent:
        await until(lambda: agent.queue.depth().waiting > 10)
        for _ in range(2):
            before, stop = len(stored(monitor)), asyncio.Event()
            serving = asyncio.create_task(mqtt_serving.serve(address, stop))
            await until(lambda before=before: len(stored(monitor)) > before + 40)
            stop.set()
            await serving
    assert len(stored(monitor)) > 80


@pytest.mark.mqtt
@pytest.mark.django_db(transaction=True)
async def test_broker_that_says_stored_is_not_believed(agent_config, monitor, broker, address, gateway):  # type: ignore[no-untyped-def]
    """Whoever the broker lets publish can pose as the server, but cannot make a gateway delete what it measured."""
    topic = address.topic(gateway.pk, ANSWERS)
    session = b"s" * 32
    await broker.subscribe(address.topic(gateway.pk, PRESENCE), address.topic(gateway.pk, f"{FRAMES}/0badb1d0"))
    async with running(agent_config) as agent:
        assert b"true" in (await broker.receive()).payload
        challenge = {"type": "challenge", "nonce": "00" * 32, "server_time": time.time()}
        await broker.publish(topic, json.dumps(challenge).encode(), session=session, bridge="0badb1d0")
        welcome = {"type": "welcome", "credit": 32, "server_time": time.time()}
        await broker.publish(topic, json.dumps(welcome).encode(), session=session)
        while b"presence" in (frames := await broker.receive()).payload:
            pass  # said again until somebody answers
        assert frames.session == session
        counter = int.from_bytes(frames.payload[14:22], "big")
        ack = {"type": "ack", "frames": [[monitor.id, counter + i] for i in range(8)]}
        await broker.publish(topic, json.dumps(ack).encode(), session=session, proof="00" * 32)
        waiting = agent.queue.depth().waiting
        await until(lambda: agent.queue.depth().waiting > waiting + 20)
        assert [batch.id for batch in agent.queue.after(0, 5)] == [1, 2, 3, 4, 5]


def test_absent_library_is_said_in_a_sentence(write_config: Callable[..., Path], monkeypatch) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    monkeypatch.setitem(sys.modules, "aiomqtt", None)
    with pytest.raises(LibraryMissing, match="extra `mqtt`"):
        load(write_config(server="mqtt://broker"))
    load(write_config(server="ws://server/ws/gateway/"))


@pytest.mark.parametrize(
    "server", ["mqtt://", "mqtts://broker/a+b", "udp://broker", "coap://user@server", "coap://server:99999"]
)
def test_server_that_cannot_be_meant_is_refused(write_config: Callable[..., Path], server: str) -> None:  # noqa: F811
    with pytest.raises(DomainError) as refused:
        load(write_config(server=server))
    assert refused.value.code in {ConfigRefused.code, "mqtt_address_wrong", "coap_address_wrong"}


async def test_agent_measures_on_while_there_is_no_broker(write_config: Callable[..., Path]) -> None:  # noqa: F811
    async with running(write_config(server="mqtt://127.0.0.1:9", interval_s=0.05)) as agent:
        assert isinstance(agent, Agent)
        await until(lambda: agent.queue.depth().waiting > 10)
