"""The agent against a server that acknowledges, refuses, falls silent and hangs up, over real sockets."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from devices.gateway import agent as agent_module
from devices.gateway import link
from devices.gateway.agent import Agent
from devices.gateway.config import load
from devices.gateway.queue import Batch, DiskQueue
from devices.protocol.frames import FrameKind, Header
from tests.devices.gateway.conftest import DEVICE_KEYS, PUBLIC
from tests.devices.gateway.server import Decide, Ward
from tests.patience import until

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_module, "BACKOFF_FIRST_S", 0.1)
    monkeypatch.setattr(link, "RETRY_FIRST_S", 0.05)
    monkeypatch.setattr(link, "LAST_ACKS_WITHIN_S", 0.2)


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[Agent]:
    agent = Agent(load(path))
    work = asyncio.create_task(agent.run())
    try:
        yield agent
    finally:
        agent.stop()
        async with asyncio.timeout(60):
            await work


@asynccontextmanager
async def ward_and_agent(
    write: Write, decide: Decide, *, credit: int = 32, **changes: object
) -> AsyncIterator[tuple[Ward, Agent]]:
    async with (
        Ward(DEVICE_KEYS, PUBLIC, decide, credit).open() as ward,
        running(write(port=ward.port, interval_s=0.05, **changes)) as agent,
    ):
        yield ward, agent


def ack_all(header: Header, connection: int) -> str:
    return "ack"


async def test_readings_and_waveforms_arrive_and_leave_the_queue(write_config: Write) -> None:
    async with ward_and_agent(write_config, ack_all, options={"ecg": True}) as (ward, agent):
        await until(lambda: len(ward.acked) > 40)
        await until(lambda: agent.queue.depth().waiting < 8)
    assert {device for device, _ in ward.seen} == {7, 8}
    assert set(ward.seen) == ward.acked


async def test_only_acknowledged_batches_are_deleted(write_config: Write) -> None:
    def ack_one_device(header: Header, connection: int) -> str | None:
        return "ack" if header.device == 7 else None

    async with ward_and_agent(write_config, ack_one_device, credit=500) as (ward, agent):

        def oldest_waiting() -> set[int]:
            return {batch.device for batch in agent.queue.after(0, 1000) if batch.id <= 10}

        await until(lambda: len(ward.counters) > 20 and oldest_waiting() == {8})
    assert {device for device, _ in ward.acked} == {7}


async def test_unacknowledged_frames_come_again_under_new_counters(write_config: Write) -> None:
    def hang_up_twice(header: Header, connection: int) -> str:
        return "drop" if connection < 3 else "ack"

    async with ward_and_agent(write_config, hang_up_twice) as (ward, _):
        await until(lambda: len(ward.acked) > 30)
    often = Counter(ward.seen)
    assert max(often.values()) >= 3
    assert len(ward.counters) == len(set(ward.counters))
    for device in DEVICE_KEYS:
        assert sorted_unique([seq for number, seq in ward.acked if number == device])


def sorted_unique(seqs: list[int]) -> bool:
    """Tell whether the numbers are a range without a gap."""
    return len(seqs) > 1 and sorted(seqs) == list(range(min(seqs), max(seqs) + 1))


async def test_no_more_frames_are_in_flight_than_the_credit_allows(write_config: Write) -> None:
    async with ward_and_agent(write_config, lambda *_: None, credit=5) as (ward, agent):
        await until(lambda: agent.queue.depth().waiting > 12 and len(ward.counters) >= 5)
        assert len(ward.counters) == 5


async def test_permanently_refused_batch_goes_to_the_dead_letters(write_config: Write) -> None:
    def refuse_one_device(header: Header, connection: int) -> str | dict[str, object]:
        return "ack" if header.device == 7 else {"code": "frame_epoch_unknown", "permanent": True}

    async with ward_and_agent(write_config, refuse_one_device) as (ward, agent):
        await until(lambda: agent.queue.depth().dead >= 3)
        dead = agent.queue._db.execute("SELECT DISTINCT device, code, message FROM dead").fetchall()
    assert max(Counter(ward.seen).values()) == 1, "a permanent refusal is not sent again"
    assert dead == [(8, "frame_epoch_unknown", "no")]


async def test_batches_of_a_device_that_left_the_configuration_are_kept_aside(write_config: Write) -> None:
    queue = DiskQueue(write_config().with_name("queue.sqlite3"), [99])
    queue.append([Batch(99, FrameKind.READINGS, b"old")], {})
    queue.close()
    async with ward_and_agent(write_config, ack_all) as (ward, agent):
        await until(lambda: len(ward.acked) > 10 and agent.queue.depth().dead == 1)


@pytest.mark.parametrize(
    "nack", [{"code": "store_unavailable", "permanent": False}, {"code": "frame_replayed", "permanent": True}]
)
async def test_batch_refused_for_now_is_sent_again_until_it_is_taken(
    write_config: Write, nack: dict[str, object]
) -> None:
    refused: list[Header] = []

    def refuse_at_first(header: Header, connection: int) -> str | dict[str, object]:
        if len(refused) < 6:
            refused.append(header)
            return nack
        return "ack"

    async with ward_and_agent(write_config, refuse_at_first) as (ward, agent):
        await until(lambda: len(ward.acked) > 30)
        await until(lambda: set(ward.seen) == ward.acked)
        assert agent.queue.depth().dead == 0


async def test_silent_server_is_left_and_everything_sent_again(
    write_config: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "ACK_WITHIN_S", 0.3)

    def silent_at_first(header: Header, connection: int) -> str | None:
        return None if connection == 1 else "ack"

    async with ward_and_agent(write_config, silent_at_first, credit=2) as (ward, _):
        await until(lambda: set(ward.seen) and set(ward.seen) == ward.acked)
        assert ward.connections >= 2


async def test_server_that_comes_late_gets_everything(write_config: Write) -> None:
    ward = Ward(DEVICE_KEYS, PUBLIC, ack_all)
    async with ward.open():
        pass  # only to learn a free port
    async with running(write_config(port=ward.port, interval_s=0.05)) as agent:
        await until(lambda: agent.queue.depth().waiting > 10)
        async with ward.open():
            await until(lambda: agent.queue.depth().waiting <= 2 and ward.acked)
            await until(lambda: sorted_unique([seq for device, seq in ward.acked if device == 8]))


@pytest.mark.parametrize(
    "words",
    [
        ['{"type": "refused", "code": "gateway_refused", "message": "quarantined"}'],
        ["not json"],
        ["[" * 100_000],
        ['{"type": "challenge", "nonce": "zz", "server_time": 0}'],
        ['{"type": "challenge", "nonce": "00", "server_time": 0}', '{"type": "refused", "code": "c", "message": "m"}'],
        ['{"type": "challenge", "nonce": "00", "server_time": 0}', '{"type": "welcome", "credit": "all"}'],
        [
            '{"type": "challenge", "nonce": "00", "server_time": 0}',
            '{"type": "welcome", "credit": 9, "server_time": 0}',
            "[",
        ],
        [
            '{"type": "challenge", "nonce": "00", "server_time": 0}',
            '{"type": "welcome", "credit": 9, "server_time": 0}',
            "[]",
        ],
        [
            '{"type": "challenge", "nonce": "00", "server_time": 0}',
            '{"type": "welcome", "credit": 9, "server_time": 0}',
            '{"type": "refused", "code": "c", "message": "m"}',
        ],
        [
            '{"type": "challenge", "nonce": "00", "server_time": 0}',
            '{"type": "welcome", "credit": 9, "server_time": 0}',
            '{"type": "challenge", "nonce": "01", "server_time": 0}',
        ],
    ],
)
async def test_refusal_and_babble_make_the_agent_wait_and_try_again(write_config: Write, words: list[str]) -> None:
    connections = 0

    async def babble(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        for word in words:
            await socket.send(word)
        await socket.wait_closed()

    async with serve(babble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with running(write_config(port=port, interval_s=0.05)) as agent:
            await until(lambda: connections >= 2)
            await until(lambda: agent.queue.depth().waiting > 5)


async def test_acknowledgement_of_frames_never_sent_deletes_nothing(write_config: Write) -> None:
    def ack_another(header: Header, connection: int) -> dict[str, object]:
        return {"type": "ack", "frames": [[header.device, header.counter + 1000], [99, 5]]}

    async with ward_and_agent(write_config, ack_another) as (ward, agent):
        await until(lambda: len(ward.counters) > 10)
        assert [batch.id for batch in agent.queue.after(0, 10)] == list(range(1, 11))
