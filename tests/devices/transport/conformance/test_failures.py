"""What every line promises when server, carrier and network fail: nothing measured is lost, and nothing comes twice."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from devices.kinds.registry import by_key
from devices.services.telemetry import store
from tests.devices.gateway.conftest import write_config  # noqa: F401
from tests.devices.gateway.test_agent import running
from tests.devices.transport.conformance.carriers import PATIENCE_S
from tests.devices.transport.conformance.test_every_line import beat, values
from tests.patience import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
HEART_RATE = by_key("heart_rate").code


@pytest.fixture
def agent_config(write_config, tmp_path, carrier, gateway, monitor) -> Path:  # noqa: F811
    """The configuration of the real agent, for the transport under test."""
    (tmp_path / "agent.key").write_text(gateway.key.private_bytes_raw().hex())
    return write_config(
        gateway_id=gateway.id,
        private_key_file="agent.key",
        interval_s=0.05,
        devices=[{"device_id": monitor.id, "kind": "vital_signs_monitor", "key_hex": monitor.key.hex()}],
        **carrier.config(gateway),
    )


def stored(device) -> list[int]:
    return sorted(row.seq for row in store().history([device.id], [HEART_RATE], 0, time.time() + 1e6))


async def arrives(agent, device, more: int) -> None:
    """Wait until so many more readings than now are stored."""
    least = len(stored(device)) + more
    await until(lambda: len(stored(device)) >= least, PATIENCE_S)


async def waits(agent) -> None:
    """Wait until more waits in the gateway than now."""
    before = agent.queue.depth().waiting
    await until(lambda: agent.queue.depth().waiting > before, PATIENCE_S)


async def everything_arrived_once(agent, device) -> None:
    """Measure nothing more, wait until the queue is empty, and compare."""
    agent._collector.collect = lambda now: 0
    first = agent.first_seq
    await until(lambda: agent.queue.depth().waiting == 0, 2 * PATIENCE_S)
    assert agent.queue.depth().dead == 0
    assert agent.queue.depth().dropped == 0
    assert stored(device) == list(range(first, agent.queue.next_seqs()[device.id]))


def begun(agent, device) -> None:
    agent.first_seq = agent.queue.next_seqs()[device.id]


async def test_readings_survive_the_end_of_the_server(carrier, agent_config, monitor):
    async with running(agent_config) as agent:
        begun(agent, monitor)
        await arrives(agent, monitor, 20)
        for _ in range(2):
            await carrier.stop_server()
            await waits(agent)
            await carrier.start_server()
            await arrives(agent, monitor, 20)
        await everything_arrived_once(agent, monitor)


async def test_readings_survive_the_end_of_the_carrier(carrier, agent_config, monitor):
    async with running(agent_config) as agent:
        begun(agent, monitor)
        for _ in range(2):
            await arrives(agent, monitor, 20)
            await carrier.restart_carrier()
        await arrives(agent, monitor, 20)
        await everything_arrived_once(agent, monitor)


async def test_readings_survive_a_network_that_loses_repeats_reorders_and_cuts(carrier, agent_config, monitor):
    async with running(agent_config) as agent:
        begun(agent, monitor)
        await arrives(agent, monitor, 5)
        carrier.network.bad = True
        await until(lambda: carrier.network.failures >= 5, 2 * PATIENCE_S)
        carrier.network.bad = False
        await everything_arrived_once(agent, monitor)


async def test_line_ends_when_the_server_does(carrier, gateway, monitor):
    async with carrier.talk(gateway) as talk:
        await talk.greet()
        await carrier.stop_server()
        await carrier.start_server()
        try:
            await talk.send(beat(monitor))
        except Exception:
            return  # the line is known to be lost
        await talk.ended()
    assert values(monitor) == []


async def test_many_that_say_nothing_do_not_keep_a_gateway_out(carrier, gateway, monitor):
    """A peer that opens and says nothing, or one byte at a time, costs a bounded place and no service."""
    silent = await _strangers(carrier, 100)
    try:
        async with carrier.talk(gateway) as talk:
            await talk.greet()
            await talk.send(beat(monitor))
            assert (await talk.answers(1))[0]["type"] == "ack"
    finally:
        for end in silent:
            end.close()
        await asyncio.sleep(0)


async def _strangers(carrier, count: int) -> list[asyncio.BaseTransport]:
    loop = asyncio.get_running_loop()
    ends: list[asyncio.BaseTransport] = []
    for _ in range(count):
        if carrier.name == "coap":
            end, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, remote_addr=("127.0.0.1", carrier.network.port)
            )
            end.sendto(b"\x40")
        else:
            end, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", carrier.network.port)
            end.write(b"\x10" if carrier.name == "mqtt" else b"G")
        ends.append(end)
    return ends
