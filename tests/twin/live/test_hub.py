"""The hub: what is published reaches the pages that watch it, whatever the broker does."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from devices.kinds.registry import by_key
from devices.telemetry import READING, ReadingBatch, Waveform
from tests.patience import until
from tests.twin.live.test_viewer import EVERYTHING, HEART_RATE, PATIENT, Page, Store, reading
from twin.live.hub import Hub
from twin.live.viewer import Viewer
from twin.live.wire import channels_of, decode_group, encode_group
from twin.services import live

ECG = by_key("ecg").code


def batch(*seqs: int, device: int = 1, blocks=()) -> ReadingBatch:
    rows = [(device, HEART_RATE, seq, 1000.0 + seq, 70.0) for seq in seqs]
    return ReadingBatch(np.array(rows, READING), tuple(blocks), 2000.0)


def test_a_group_survives_the_journey():
    block = Waveform(3, ECG, 9, 5.0, 0.004, 0.005, np.arange(10, dtype=np.int16))
    group = decode_group(encode_group(7, 3, [batch(1, 2), batch(3, blocks=[block]), batch()]))
    readings, received = group.readings()
    assert readings["seq"].tolist() == [1, 2, 3]
    assert received.tolist() == [2000.0] * 3
    assert (group.publisher, group.number, group.blocks[0].values[:3]) == (7, 3, [0.0, 0.005, 0.01])


@pytest.fixture
async def hub(valkey):
    made = Hub(valkey, live.live_channels(), Store())
    yield made
    for viewer in list(made._routes):
        made.leave(viewer)
    await asyncio.sleep(0)


async def join(hub: Hub, store: Store | None = None, *, newest_only: bool = False, devices=(1,)) -> Page:
    page = Page()
    page.viewer = Viewer(page, store or Store(), newest_only=newest_only)
    page.viewer.watch(dict.fromkeys(devices, PATIENT), EVERYTHING)
    await hub.join(page.viewer)
    page.task = asyncio.create_task(page.viewer.run())
    return page


async def test_published_readings_reach_only_the_pages_that_watch_them(hub):
    # Numbers of this test's own: what another test published a moment ago may still be on its way.
    mine, foreign = await join(hub, devices=(9_000_001,)), await join(hub, devices=(9_000_002,))
    await hub.subscribed.wait()
    live.publish_batch(batch(1, 2, device=9_000_001))
    await until(lambda: len(mine.readings) == 2)
    assert foreign.readings == []
    mine.task.cancel(), foreign.task.cancel()


async def test_late_readings_reach_the_patient_page_but_not_the_ward(hub):
    patient, ward = await join(hub), await join(hub, newest_only=True)
    await hub.subscribed.wait()
    live.publish_batch(batch(9))
    await until(lambda: patient.readings and ward.readings)
    live.publish_batch(batch(3))
    await until(lambda: len(patient.readings) == 2)
    await asyncio.sleep(0.3)
    assert [row["seq"] for row in ward.readings] == [9]
    patient.task.cancel(), ward.task.cancel()


async def test_alerts_notices_and_waveforms_are_routed(hub):
    patient, ward = await join(hub), await join(hub, newest_only=True)
    await hub.subscribed.wait()
    block = Waveform(1, ECG, 9, 5.0, 0.004, 0.005, np.arange(10, dtype=np.int16))
    await asyncio.to_thread(live.publish_notice, PATIENT, "images")
    live.publish_batch(batch(blocks=[block]))
    await until(lambda: patient.of("waveform") and patient.of("notice") and ward.of("notice"))
    assert patient.of("waveform")[0]["samples"][2] == 0.01
    assert ward.of("waveform") == []
    patient.task.cancel(), ward.task.cancel()


async def test_a_missing_group_makes_pages_read_the_store(hub):
    store = Store([reading(1), reading(2), reading(3)])
    page = await join(hub, store)
    await hub.subscribed.wait()
    page.viewer.start_at([reading(0)])
    hub._take_group(decode_group(encode_group(1, 1, [batch(1)])))
    await until(lambda: page.readings)
    hub._take_group(decode_group(encode_group(1, 3, [batch(3)])))
    await until(lambda: len(page.readings) == 3)
    assert [row["seq"] for row in page.readings] == [1, 2, 3]
    page.task.cancel()


async def test_without_a_broker_pages_read_the_store_every_second():
    hub = Hub("redis://127.0.0.1:1/0", channels_of(0), Store())
    store = Store()
    page = await join(hub, store)
    page.viewer.start_at([reading(0)])
    store.rows.append(reading(1))
    await until(lambda: page.readings)
    store.rows.append(reading(2))
    await until(lambda: len(page.readings) == 2)
    hub.leave(page.viewer)
    page.task.cancel()


def test_publishing_without_a_broker_is_logged_and_never_raises(settings, caplog):
    settings.HUB_URL = "redis://127.0.0.1:1/0"
    live.publish_notice(PATIENT, "alerts")
    live.publish_alert({"type": "alert", "id": 1, "patient": PATIENT})
    assert len(caplog.records) == 2
