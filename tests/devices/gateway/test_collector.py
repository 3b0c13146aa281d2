"""The collector: every measurement gets the next sequence number of its device and lands on the queue, or is named."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.emulator.plant import Block, Sample
from devices.gateway.collector import Collector
from devices.gateway.queue import DiskQueue
from devices.protocol.decoding import decode_readings, decode_waveform
from devices.protocol.frames import FrameKind
from tests.devices.gateway.plants import ECG, HEART_RATE


class Scripted:
    """A plant that hands out what it was given, once."""

    def __init__(self) -> None:
        self.next: list[Sample | Block] = []

    def advance(self, t: float) -> Iterable[Sample | Block]:
        out, self.next = self.next, []
        return out


@pytest.fixture
def queue(tmp_path: Path):
    opened = DiskQueue(tmp_path / "q.sqlite3", [7, 8])
    yield opened
    opened.close()


def beat(value: float = 60.0, *, device: int = 7, t: float = 1000.0) -> Sample:
    return Sample(device, HEART_RATE, t, value)


def ecg(n: int = 250) -> Block:
    return Block(7, ECG, 1000.0, 0.004, 0.001, np.zeros(n, np.int16))


def stored(queue: DiskQueue) -> list[tuple[int, int, float]]:
    """Return (device, seq, value) of every queued scalar."""
    rows = []
    for batch in queue.after(0, 10_000):
        if batch.kind is FrameKind.READINGS:
            found = decode_readings(batch.device, batch.payload)
            rows += [
                (batch.device, int(seq), float(value)) for seq, value in zip(found["seq"], found["value"], strict=True)
            ]
    return rows


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=st.lists(st.lists(st.tuples(st.sampled_from([7, 8]), st.integers(0, 300)), max_size=60), max_size=4))
def test_sequence_numbers_run_without_gap_and_values_keep_their_order(
    queue: DiskQueue, rounds: list[list[tuple[int, int]]]
) -> None:
    queue.remove([batch.id for batch in queue.after(0, 10_000)])
    plant, first = Scripted(), queue.next_seqs()
    collector = Collector(plant, queue)
    for measured in rounds:
        plant.next = [beat(float(value), device=device) for device, value in measured]
        collector.collect(0.0)
    for device in (7, 8):
        values = [float(value) for measured in rounds for number, value in measured if number == device]
        assert stored_of(queue, device) == list(enumerate(values, first[device]))


def stored_of(queue: DiskQueue, device: int) -> list[tuple[int, float]]:
    return [(seq, value) for number, seq, value in stored(queue) if number == device]


def test_no_frame_holds_more_readings_than_agreed(queue: DiskQueue) -> None:
    plant = Scripted()
    plant.next = [beat(float(i)) for i in range(45)]
    assert Collector(plant, queue, readings_per_frame=20).collect(0.0) == 3
    assert [len(decode_readings(7, batch.payload)) for batch in queue.after(0, 9)] == [20, 20, 5]


def test_waveform_block_takes_one_sequence_number(queue: DiskQueue) -> None:
    plant, first = Scripted(), queue.next_seqs()[7]
    plant.next = [ecg(), beat()]
    Collector(plant, queue).collect(0.0)
    wave = decode_waveform(7, queue.after(0, 1)[0].payload)
    assert (wave.seq, stored(queue)[0][1]) == (first, first + 1)


def test_unusable_measurements_are_named_and_cost_no_neighbour(
    queue: DiskQueue, caplog: pytest.LogCaptureFixture
) -> None:
    plant = Scripted()
    plant.next = [beat(1.0), beat(2.0, t=float("inf")), beat(3.0), beat(4.0, device=99), ecg(20_000)]
    with caplog.at_level(logging.ERROR):
        Collector(plant, queue).collect(0.0)
    assert [value for _, _, value in stored(queue)] == [1.0, 3.0]
    assert {record.message.split()[0] for record in caplog.records} == {
        "event=sample_unusable",
        "event=device_unknown",
        "event=block_unusable",
    }


def test_measurements_wait_in_memory_while_the_disk_is_full(queue: DiskQueue, caplog: pytest.LogCaptureFixture) -> None:
    plant, first = Scripted(), queue.next_seqs()[7]
    collector = Collector(plant, queue)
    queue._db.execute("PRAGMA max_page_count=1")
    plant.next = [beat(1.0), *[ecg(7000) for _ in range(9)]]
    assert collector.collect(0.0) == 0
    assert "event=queue_unusable" in caplog.text
    queue._db.execute("PRAGMA max_page_count=100000")
    plant.next = [beat(2.0)]
    assert collector.collect(1.0) == 10
    assert stored(queue) == [(7, first + 9, 1.0), (7, first + 10, 2.0)]
