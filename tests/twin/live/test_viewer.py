"""One page's queue: coalescing, marks, and what happens to a page that stops reading."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from devices.errors import StoreUnavailable
from devices.kinds.registry import by_key
from devices.telemetry import Reading
from tests.patience import until
from twin.live import viewer as module
from twin.live.viewer import MARK_EVERY_BYTES, MOST_UNREAD_BYTES, MOST_WAITING_READINGS, Viewer

HEART_RATE, SPO2 = by_key("heart_rate").code, by_key("spo2").code
PATIENT = "0b0e9d4e-0000-4000-8000-000000000001"
OTHER = "0b0e9d4e-0000-4000-8000-000000000002"
EVERYTHING = {"alerts": frozenset({PATIENT}), "images": frozenset({PATIENT})}


def reading(seq: int, device: int = 1, metric: int = HEART_RATE, value: float = 70.0) -> Reading:
    return Reading(device, seq, metric, 1000.0 + seq, value, 1000.5 + seq)


class Store:
    """Readings in a list: all that a viewer asks of a store."""

    def __init__(self, rows=()):
        self.rows, self.broken = list(rows), False

    def latest(self, device_ids):
        newest = {(row.device, row.metric): row for row in self.rows if row.device in set(device_ids)}
        return list(newest.values())

    def since(self, cursors, limit):
        if self.broken:
            raise StoreUnavailable
        return sorted(row for row in self.rows if row.seq > cursors.get(row.device, 1 << 62))[:limit]


class Page:
    """A browser that reads everything, or nothing."""

    def __init__(self):
        self.texts: list[str] = []
        self.alerts: list[int] = []
        self.reads = True
        self.viewer: Viewer | None = None
        self.asked = 0

    def moved(self):
        self.asked += 1

    async def check(self):
        pass

    async def send(self, text):
        self.texts.append(text.decode())
        message = json.loads(text)
        if message["type"] == "mark" and self.reads:
            self.viewer.confirm(message["n"])

    async def alert_sent(self, alert_id):
        self.alerts.append(alert_id)

    def of(self, kind: str) -> list[dict]:
        return [message for text in self.texts if (message := json.loads(text))["type"] == kind]

    @property
    def readings(self) -> list[dict]:
        return [row for delta in self.of("delta") for row in delta["readings"]]


@pytest.fixture
def page():
    return Page()


@pytest.fixture
async def open_page(page):
    tasks = []

    def opened(store=None, *, newest_only=False) -> Viewer:
        page.viewer = Viewer(page, store or Store(), newest_only=newest_only)
        page.viewer.watch({1: PATIENT, 2: PATIENT}, EVERYTHING)
        tasks.append(asyncio.create_task(page.viewer.run()))
        return page.viewer

    yield opened
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_reading_is_told_at_once_and_what_follows_is_told_together(page, open_page, monkeypatch):
    monkeypatch.setattr(module, "PERIOD_S", 2.0)  # however long the test itself is kept waiting
    viewer = open_page()
    viewer.take([reading(1)])
    await until(lambda: page.readings)
    for seq in range(2, 12):
        viewer.take([reading(seq)])
        await asyncio.sleep(0)
    await until(lambda: len(page.readings) == 11)
    assert [row["seq"] for row in page.readings] == list(range(1, 12))
    assert len(page.of("delta")) == 2


async def test_at_most_four_deltas_a_second_per_patient(page, open_page):
    viewer = open_page()
    began = time.monotonic()
    for seq in range(100):
        viewer.take([reading(seq)])
        await asyncio.sleep(0.01)
    assert len(page.of("delta")) <= 4 * (time.monotonic() - began) + 2  # 100 waits take longer on a busy machine


async def test_the_ward_is_told_only_the_newest_of_each_metric(page, open_page):
    viewer = open_page(newest_only=True)
    viewer.take([reading(1), reading(2, metric=SPO2), reading(3)])
    await until(lambda: page.readings)
    assert sorted((row["metric"], row["seq"]) for row in page.readings) == [("heart_rate", 3), ("spo2", 2)]


async def test_notes_are_told_of_permitted_patients_and_panels_only(page, open_page):
    viewer = open_page()
    for patient, panel in [(PATIENT, "images"), (OTHER, "images"), (PATIENT, "medication"), (PATIENT, "no such")]:
        viewer.take_note({"type": "notice", "patient": patient, "panel": panel})
    viewer.take_note({"type": "alert", "id": 5, "patient": PATIENT})
    viewer.take_note({"type": "alert", "id": 6, "patient": OTHER})
    await until(lambda: page.alerts)
    await asyncio.sleep(0.05)
    assert [(note["patient"], note["panel"]) for note in page.of("notice")] == [(PATIENT, "images")]
    assert page.alerts == [5]


async def test_a_page_that_comes_back_is_sent_everything_after_its_cursors(page, open_page):
    viewer = open_page(Store([reading(seq) for seq in range(1, 701)]))
    viewer.resync({1: 100})
    await until(lambda: len(page.readings) >= 600)
    assert [row["seq"] for row in page.readings] == list(range(101, 701))
    assert all(delta["backfill"] for delta in page.of("delta"))


async def test_live_readings_follow_a_backfill_without_gap_or_repeat(page, open_page):
    store = Store([reading(seq) for seq in range(1, 401)])
    viewer = open_page(store)
    viewer.resync({1: 0})
    for seq in range(401, 501):
        store.rows.append(reading(seq))  # stored first, told afterwards: as the writer does
        viewer.take([reading(seq)])
        await asyncio.sleep(0.002)
    await until(lambda: len(page.readings) >= 500)
    assert [row["seq"] for row in page.readings] == list(range(1, 501))


async def test_a_page_that_stops_reading_is_told_nothing_more_and_later_everything(page, open_page):
    store = Store()
    viewer = open_page(store)
    viewer.start_at([reading(0)])
    page.reads = False
    for seq in range(1, 20_001):
        row = reading(seq)
        store.rows.append(row)
        viewer.take([row])
        if seq % 500 == 0:
            await asyncio.sleep(0.03)
    await until(lambda: viewer.lagging)
    sent = sum(map(len, page.texts))
    assert sent < MOST_UNREAD_BYTES + 3 * MARK_EVERY_BYTES
    assert viewer.lagging
    assert len(viewer._waiting) <= MOST_WAITING_READINGS
    page.reads = True
    viewer.confirm(1 << 30)
    await until(lambda: len({row["seq"] for row in page.readings}) == 20_000)


async def test_a_page_that_missed_notes_is_told_to_read_its_alerts_again(page, open_page):
    viewer = open_page()
    for number in range(1000):
        viewer.take_note({"type": "alert", "id": number, "patient": PATIENT})
    await until(lambda: page.of("notice"))
    assert len(page.alerts) == module.MOST_WAITING_NOTES
    assert page.of("notice") == [{"type": "notice", "patient": PATIENT, "panel": "alerts"}]


async def test_a_store_that_does_not_answer_is_asked_again(page, open_page, monkeypatch):
    monkeypatch.setattr(module, "RETRY_S", 0.05)
    store = Store([reading(1)])
    store.broken = True
    viewer = open_page(store)
    viewer.resync({1: 0})
    await asyncio.sleep(0.2)
    assert page.readings == []
    store.broken = False
    await until(lambda: page.readings)


async def test_what_waits_for_a_patient_who_left_is_dropped(page, open_page):
    viewer = open_page()
    viewer.take([reading(1)])
    await until(lambda: page.readings)
    viewer.take([reading(2), reading(2, device=2)])
    viewer.watch({2: PATIENT}, EVERYTHING)
    await until(lambda: len(page.readings) == 2)
    assert page.readings[1]["device"] == 2


async def test_what_a_device_measured_before_it_came_is_not_told(page, open_page):
    viewer = open_page()
    viewer.watch({1: PATIENT, 2: PATIENT}, EVERYTHING, {1: reading(2).t})
    viewer.take([reading(1), reading(1, device=2), reading(3)])
    await until(lambda: len(page.readings) == 2)
    assert {(row["device"], row["seq"]) for row in page.readings} == {(1, 3), (2, 1)}
    viewer.take_block({"type": "waveform", "patient": PATIENT, "device": 1, "metric": "ecg", "seq": 9,
                       "t0": reading(2).t - 5.0, "period_s": 0.01, "samples": []})  # fmt: skip
    viewer.take([reading(4, device=2)])
    await until(lambda: len(page.readings) == 3)
    assert page.of("waveform") == []


async def test_a_device_that_changes_hands_is_held_back_until_the_policy_was_asked(page, open_page):
    viewer = open_page()
    viewer.moved(1)
    assert page.asked == 1
    viewer.take([reading(1), reading(2, device=2)])
    await until(lambda: page.readings)
    assert [row["device"] for row in page.readings] == [2]
