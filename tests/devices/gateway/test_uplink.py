"""The order of the uplink: by urgency, with nothing left waiting for ever, and room kept for what is urgent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from devices.gateway.queue import Batch, DiskQueue
from devices.gateway.uplink import BULK_EVERY, PRESSING, TELEMETRY_EVERY, Turns, kept_of
from devices.kinds.registry import Urgency
from devices.protocol.frames import FrameKind, encode_readings
from tests.devices.gateway.conftest import DEVICE_KEYS, PUBLIC
from tests.devices.gateway.server import Ward
from tests.devices.gateway.test_agent import running
from tests.patience import until


def line(urgency: Urgency, count: int) -> list[Batch]:
    return [Batch(7, FrameKind.READINGS, b"", id=number, urgency=urgency) for number in range(1, count + 1)]


counts = st.dictionaries(st.sampled_from(Urgency), st.integers(0, 40))


@given(counts, st.integers(0, 60))
def test_room_is_filled_while_anything_waits_and_each_urgency_keeps_its_order(
    waiting: dict[Urgency, int], room: int
) -> None:
    picked = Turns().pick({urgency: line(urgency, count) for urgency, count in waiting.items()}, room)
    assert len(picked) == min(room, sum(waiting.values()))
    for urgency in Urgency:
        ids = [batch.id for batch in picked if batch.urgency is urgency]
        assert ids == list(range(1, len(ids) + 1))


@given(st.integers(1, 40))
def test_endless_dose_events_starve_neither_telemetry_nor_bulk(room: int) -> None:
    turns, sent = Turns(), dict.fromkeys(Urgency, 0)
    for _ in range(200):
        for batch in turns.pick({urgency: line(urgency, room) for urgency in Urgency}, room):
            sent[batch.urgency] += 1
    total = 200 * room
    assert sent[Urgency.BULK] >= total // BULK_EVERY
    assert sent[Urgency.TELEMETRY] >= total // TELEMETRY_EVERY - total // BULK_EVERY - 1
    assert sent[Urgency.DOSE] == total - sent[Urgency.BULK] - sent[Urgency.TELEMETRY]


@given(counts, st.integers(0, 32), st.integers(0, 8))
def test_kept_room_is_for_the_pressing_alone(waiting: dict[Urgency, int], room: int, kept: int) -> None:
    picked = Turns().pick({urgency: line(urgency, count) for urgency, count in waiting.items()}, room, kept)
    assert sum(batch.urgency not in PRESSING for batch in picked) <= max(0, room - kept)


async def test_dose_event_overtakes_a_backlog_on_credit_kept_for_it(write_config: Callable[..., Path]) -> None:
    credit, quiet = 16, "tests.devices.gateway.plants:build_silent"
    queue = DiskQueue(write_config().with_name("queue.sqlite3"), DEVICE_KEYS)
    payload = encode_readings(1, [1], [1.0], [1.0])
    queue.append([Batch(7, FrameKind.READINGS, payload, urgency=Urgency.TELEMETRY) for _ in range(300)], {})
    queue.close()
    async with (
        Ward(DEVICE_KEYS, PUBLIC, lambda *_: None, credit).open() as ward,
        running(write_config(port=ward.port, entry=quiet)) as agent,
    ):
        await until(lambda: len(ward.counters) == credit - kept_of(credit))
        agent.queue.append([Batch(8, FrameKind.READINGS, payload, urgency=Urgency.DOSE)], {})
        agent._wake.set()
        await until(lambda: ward.counters[-1][0] == 8)
        assert len(ward.counters) == credit - kept_of(credit) + 1, "it waited for no answer and behind nothing"
