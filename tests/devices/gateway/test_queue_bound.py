"""The queue's bound on disk: what goes when it is full, in which order, and that no dose event ever does."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from devices.gateway.queue import Batch, DiskQueue, QueueUnusable
from devices.gateway.queue_file import JOURNAL_BYTES, LEAST_BYTES, VERSION
from devices.kinds.registry import Urgency, by_key
from devices.protocol.frames import FrameKind, encode_readings

BOUND = LEAST_BYTES


def batch(urgency: Urgency, number: int, size: int = 4000) -> Batch:
    kind = FrameKind.WAVEFORM if urgency is Urgency.BULK else FrameKind.READINGS
    return Batch(7, kind, b"%08d" % number + bytes(size), urgency=urgency)


def numbers(queue: DiskQueue, urgency: Urgency) -> list[int]:
    return [int(one.payload[:8]) for one in queue.after(0, 100_000, urgency)]


def fill(queue: DiskQueue, urgency: Urgency, count: int, start: int = 0) -> None:
    for first in range(start, start + count, 10):
        queue.append([batch(urgency, number) for number in range(first, min(first + 10, start + count))], {})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.sqlite3"


@pytest.fixture
def queue(path: Path):
    opened = DiskQueue(path, [7], max_bytes=BOUND)
    yield opened
    opened.close()


def test_bulk_goes_before_telemetry_before_alarms_and_the_oldest_first(queue: DiskQueue) -> None:
    for urgency in (Urgency.ALARM, Urgency.TELEMETRY, Urgency.BULK):
        fill(queue, urgency, 60)
    lost: list[Urgency] = []
    number = 60
    while numbers(queue, Urgency.ALARM):
        before = {urgency: numbers(queue, urgency) for urgency in Urgency}
        queue.append([batch(Urgency.DOSE, number, 8000)], {})
        for urgency in list(Urgency)[:0:-1]:
            left = numbers(queue, urgency)
            if len(left) < len(before[urgency]):
                assert left == before[urgency][len(before[urgency]) - len(left) :], "the newest stay"
                lost.append(urgency)
        number += 1
    assert lost == sorted(lost, reverse=True)
    assert set(lost) == {Urgency.BULK, Urgency.TELEMETRY, Urgency.ALARM}
    assert numbers(queue, Urgency.DOSE) == list(range(60, number))


def test_full_of_dose_events_takes_no_telemetry_and_says_so(queue: DiskQueue, caplog: pytest.LogCaptureFixture) -> None:
    number = 0
    while not queue.depth().doses_only:
        queue.append([batch(Urgency.DOSE, number)], {})
        number += 1
    fill(queue, Urgency.TELEMETRY, 30)
    depth = queue.depth()
    assert depth.doses_only
    assert depth.classes[Urgency.TELEMETRY].dropped > 20
    assert "event=queue_full dropped=" in caplog.text
    queue.append([batch(Urgency.DOSE, number)], {})  # the last eighth is theirs
    assert numbers(queue, Urgency.DOSE) == list(range(number + 1))


def test_disk_full_of_dose_events_refuses_the_next_and_keeps_every_one(queue: DiskQueue) -> None:
    number = 0
    with pytest.raises(QueueUnusable):
        while True:
            queue.append([batch(Urgency.DOSE, number)], {})
            number += 1
    assert numbers(queue, Urgency.DOSE) == list(range(number))
    queue.remove([one.id for one in queue.after(0, 20)])
    queue.append([batch(Urgency.DOSE, number)], {})
    assert numbers(queue, Urgency.DOSE)[-1] == number


def test_file_stays_within_its_bound_whatever_comes(queue: DiskQueue, path: Path) -> None:
    for number in range(60):
        of_every = [batch(urgency, number, 15_000) for urgency in Urgency if urgency is not Urgency.DOSE]
        queue.append([*of_every, batch(Urgency.DOSE, number, 100)], {})
    fill(queue, Urgency.BULK, 300)
    assert path.stat().st_size <= BOUND
    assert Path(f"{path}-wal").stat().st_size <= 2 * JOURNAL_BYTES
    assert numbers(queue, Urgency.DOSE) == list(range(60))


def test_dead_letters_make_room_before_what_can_still_be_sent(queue: DiskQueue) -> None:
    fill(queue, Urgency.TELEMETRY, 100)
    for one in queue.after(0, 50):
        queue.bury(one.id, "frame_forged", "wrong key")
    fill(queue, Urgency.TELEMETRY, 150, start=100)
    depth = queue.depth()
    assert depth.dropped > 0
    assert (depth.waiting, depth.dead + depth.dropped) == (200, 50)


def test_dead_dose_event_is_never_dropped(queue: DiskQueue) -> None:
    queue.append([batch(Urgency.DOSE, 1)], {})
    queue.bury(queue.after(0, 1)[0].id, "frame_epoch_unknown", "no")
    fill(queue, Urgency.BULK, 600)
    assert queue.revive() == 1
    assert numbers(queue, Urgency.DOSE) == [1]


def test_older_file_becomes_a_newer_one_with_everything_in_it(path: Path) -> None:
    old = sqlite3.connect(path)
    old.executescript(
        """CREATE TABLE batch (id INTEGER PRIMARY KEY AUTOINCREMENT, device INTEGER NOT NULL, kind INTEGER NOT NULL,
            payload BLOB NOT NULL, made REAL NOT NULL);
        CREATE INDEX batch_by_kind ON batch (kind, id);
        CREATE TABLE dead (id INTEGER PRIMARY KEY, device INTEGER NOT NULL, kind INTEGER NOT NULL,
            payload BLOB NOT NULL, made REAL NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL, at REAL NOT NULL);
        CREATE TABLE device (id INTEGER PRIMARY KEY, next_seq INTEGER NOT NULL, next_block INTEGER NOT NULL);
        CREATE TABLE dropped (id INTEGER PRIMARY KEY CHECK (id = 1), batches INTEGER NOT NULL);
        INSERT INTO dropped VALUES (1, 5); INSERT INTO device VALUES (7, 9000, 9000);"""
    )
    held = [("insulin_bolus", 1), ("pump_alarm", 1), ("glucose", 1), ("ecg", 2)]
    for key, kind in held:
        payload = encode_readings(1, [by_key(key).code], [1.0], [2.0])
        old.execute("INSERT INTO batch (device, kind, payload, made) VALUES (7, ?, ?, 1.0)", (kind, payload))
    old.execute("INSERT INTO dead SELECT *, 'c', 'm', 2.0 FROM batch WHERE id = 1")
    old.commit()
    old.close()
    for _ in range(2):
        queue = DiskQueue(path, [])
        assert [one.urgency for one in queue.after(0, 9)] == [1, 2, 4, 5]
        assert (queue.next_seqs(), queue.depth().dropped, queue.depth().dead) == ({7: 9000}, 5, 1)
        queue.close()


def test_file_of_a_newer_gateway_is_refused_by_name(path: Path) -> None:
    DiskQueue(path, [7]).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version={VERSION + 1}")
    db.close()
    with pytest.raises(QueueUnusable, match="newer gateway"):
        DiskQueue(path, [7])
