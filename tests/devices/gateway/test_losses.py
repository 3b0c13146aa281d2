"""A gateway whose disk is full says of which device it gave up how much, and does not fill the line with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.gateway.losses import TELL_EVERY_S, Losses
from devices.gateway.queue import Batch, DiskQueue
from devices.kinds.registry import Urgency
from devices.protocol.facts import FactKind
from devices.protocol.frames import FrameKind


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def queue(tmp_path: Path):
    opened = DiskQueue(tmp_path / "queue.sqlite3", [7, 8], max_bytes=1 << 20)
    yield opened
    opened.close()


def fill(queue: DiskQueue, device: int, batches: int = 200) -> None:
    """Put 2 MiB of waveforms of one device on a disk of one."""
    wave = bytes(10_000)
    queue.append([Batch(device, FrameKind.WAVEFORM, wave, urgency=Urgency.BULK) for _ in range(batches)], {})


def test_nothing_lost_is_nothing_told(queue: DiskQueue) -> None:
    queue.append([Batch(7, FrameKind.WAVEFORM, b"one", urgency=Urgency.BULK)], {})
    assert Losses(queue, [7, 8]).look(1e9, cut_off=True) == []


def test_what_went_is_told_by_device_with_its_number(queue: DiskQueue) -> None:
    fill(queue, 7)
    (fact,) = Losses(queue, [7, 8]).look(1e9, cut_off=True)
    assert (fact.device_id, fact.kind, fact.rule, fact.cut_off) == (7, FactKind.DROPPED, "disk_full", True)
    waiting = len(queue.after(0, 1000))
    assert fact.values == {"bulk": 200.0 - waiting}
    assert f"{200 - waiting} of waveforms" in fact.done


def test_a_disk_that_stays_full_is_told_again_after_a_while_with_all_that_went(queue: DiskQueue) -> None:
    clock = Clock()
    losses = Losses(queue, [7, 8], clock)
    fill(queue, 7)
    assert len(losses.look(1e9, cut_off=False)) == 1
    fill(queue, 8)
    assert losses.look(1e9 + 1, cut_off=False) == []
    clock.now_s = TELL_EVERY_S
    fill(queue, 8)
    told = losses.look(1e9 + TELL_EVERY_S, cut_off=False)
    assert [fact.device_id for fact in told] == [7, 8]
    assert told[1].values["bulk"] > 200, "of two fillings"


def test_a_device_that_left_the_configuration_is_not_spoken_for(queue: DiskQueue) -> None:
    fill(queue, 8)
    assert Losses(queue, [7]).look(1e9, cut_off=False) == []
