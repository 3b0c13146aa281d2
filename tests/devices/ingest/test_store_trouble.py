"""When something cannot be stored, nothing is acknowledged; it is recorded, and what comes again is taken."""

from __future__ import annotations

import time

import numpy as np
import pytest
from django.db import DatabaseError

from devices.errors import StoreUnavailable
from devices.services import telemetry
from devices.services.telemetry import store
from devices.signals import readings_accepted, readings_received
from devices.telemetry import READING, ReadingBatch
from tests.devices.ingest.cast import events
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def trouble(monkeypatch):
    """A store whose writes fail while `trouble["on"]`."""
    state = {"on": False, "writes": 0}
    real = store()
    write = real.write

    def failing(batch, windows=(), known=None):
        state["writes"] += 1
        if state["on"]:
            raise StoreUnavailable("The telemetry store did not answer: database is locked.")
        return write(batch, windows, known)

    monkeypatch.setattr(real, "write", failing)
    assert telemetry.store() is real
    return state


async def test_a_locked_store_is_not_acknowledged_and_recorded(gateway, monitor, trouble):
    await gateway.connect()
    trouble["on"] = True
    now = time.time()
    answer = await gateway.send(monitor.frame(("heart_rate", now, 70.0), seq=1))
    assert (answer["type"], answer["code"], answer["permanent"]) == ("nack", "store_unavailable", False)
    assert store().latest([monitor.id]) == []
    (event,) = await events("store_unavailable")
    assert event.category == "data_quality"
    trouble["on"] = False
    assert (await gateway.send(monitor.frame(("heart_rate", now, 70.0), seq=1)))["type"] == "ack"
    assert [row.seq for row in store().latest([monitor.id])] == [1]


async def test_a_frame_that_another_process_took_is_refused_on_a_connection_that_is_still_open(gateway, monitor):
    await gateway.connect()
    now = time.time()
    assert (await gateway.send(monitor.frame(("heart_rate", now, 70.0), seq=1)))["type"] == "ack"
    taken = monitor.frame(("heart_rate", now, 71.0), seq=2)
    (window,) = store().replay_windows([monitor.id])
    store().write(ReadingBatch(np.empty(0, READING)), [window._replace(high=2, bitmap=1)])  # as another process would
    answer = await gateway.send(taken)
    assert (answer["type"], answer["code"], answer["permanent"]) == ("nack", "windows_moved", False)
    assert (await gateway.send(taken))["code"] == "frame_replayed"
    assert (await gateway.send(monitor.frame(("heart_rate", now, 72.0), seq=3)))["type"] == "ack"


async def test_a_frame_that_was_not_stored_is_not_yet_seen(gateway, monitor, trouble):
    await gateway.connect()
    trouble["on"] = True
    frame = monitor.frame(("heart_rate", time.time(), 70.0))
    assert (await gateway.send(frame))["code"] == "store_unavailable"
    trouble["on"] = False
    assert (await gateway.send(frame))["type"] == "ack"  # its counter was never accepted
    assert (await gateway.send(frame))["code"] == "frame_replayed"


@pytest.mark.parametrize("mistake", [DatabaseError("database is locked"), ValueError("a receiver's bug")])
async def test_a_receiver_that_fails_keeps_the_group_from_being_acknowledged(gateway, monitor, mistake):
    async def send():
        return await gateway.send(monitor.frame(("heart_rate", time.time(), 70.0)))

    def receiver(batch, **_):
        raise mistake

    await gateway.connect()
    readings_received.connect(receiver)
    try:
        assert (await send())["code"] == "store_unavailable"
    finally:
        readings_received.disconnect(receiver)
    assert store().latest([monitor.id]) == []
    assert (await send())["type"] == "ack"


async def test_receivers_hear_before_the_commit_and_after_it(gateway, monitor):
    heard: list[tuple[str, int, int]] = []

    def before(batch, **_):
        heard.append(("received", len(batch.readings), len(store().latest([monitor.id]))))

    def after(batch, **_):
        heard.append(("accepted", len(batch.readings), len(store().latest([monitor.id]))))
        assert batch.gateway_of == {monitor.id: gateway.id}

    await gateway.connect()
    readings_received.connect(before)
    readings_accepted.connect(after)
    try:
        now = time.time()
        await gateway.send(monitor.frame(("heart_rate", now, 70.0), seq=1))
        await gateway.send(monitor.frame(("heart_rate", now, 70.0), ("heart_rate", now + 1, 71.0), seq=1))
        await gateway.send(monitor.frame(("heart_rate", now + 2, 72.0)))
    finally:
        readings_received.disconnect(before)
        readings_accepted.disconnect(after)
    assert heard[:3] == [("received", 1, 0), ("accepted", 1, 1), ("received", 2, 1)]
    assert heard[3] == ("accepted", 1, 1)  # of the two, one was new


async def test_a_receiver_that_fails_after_the_commit_changes_nothing(gateway, monitor, caplog):
    def receiver(batch, **_):
        raise ValueError("a cache's bug")

    await gateway.connect()
    readings_accepted.connect(receiver)
    try:
        assert (await gateway.send(monitor.frame(("heart_rate", time.time(), 70.0))))["type"] == "ack"
        assert (await gateway.send(monitor.frame(("heart_rate", time.time(), 70.0))))["type"] == "ack"
    finally:
        readings_accepted.disconnect(receiver)


async def test_sockets_stop_reading_while_too_much_is_queued(gateway, monitor, trouble, monkeypatch):
    import asyncio

    from devices.services import ingest

    await gateway.connect()
    writer = ingest.ingest()
    monkeypatch.setattr(ingest, "MOST_QUEUED_BYTES", 100)
    frame = monitor.frame(("heart_rate", time.time(), 70.0))
    waiting = asyncio.create_task(writer.submit(next(iter(writer._links._open.values())), [frame], 1000))
    await asyncio.sleep(0)
    assert not waiting.done()
    await asyncio.wait_for(waiting, PATIENCE_S)
    assert writer._queued_bytes == 0
