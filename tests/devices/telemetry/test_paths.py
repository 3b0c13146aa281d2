"""One device heard by several gateways: whatever arrives in whatever order, the readings are those of the device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.telemetry import READING, Reading, ReadingBatch, Waveform
from devices.telemetry.lanes import LANES, lane_of, number_of, seq_in, stream_of, streams
from devices.telemetry.paths import MOST_APART_S, Past, apart_s, without_copies
from devices.telemetry.store import StoredCopy
from tests.steps import steps_of

DEVICE, RATE, LID, ECG = 7, 1, 2, 3
PERIODS_S = {RATE: 1.0, LID: 0.0, ECG: 0.004}
T0 = 1_700_000_000.0


class Shelf:
    """A store as the sifting sees it."""

    def __init__(self) -> None:
        self.rows: dict[int, Reading] = {}
        self.blocks: dict[int, Waveform] = {}
        self.copies: dict[tuple[int, int], StoredCopy] = {}
        self.read = 0  # rows that the sifting looked at

    def readings(self, device: int, metrics: Sequence[int], t_from: float, t_to: float) -> Iterator[Reading]:
        found = [row for row in self.rows.values() if row.metric in metrics and t_from <= row.t < t_to]
        self.read += len(found)
        return iter(found)

    def waveforms(self, device: int, metric: int, t_from: float, t_to: float) -> Iterator[Waveform]:
        return (one for one in self.blocks.values() if t_from <= one.t0 < t_to)

    def told(self, device: int, seqs: Iterable[int]) -> Iterator[StoredCopy]:
        wanted = set(seqs)
        return (copy for copy in self.copies.values() if copy.seq in wanted)

    def take(self, rows: Iterable[tuple[int, int, float, float]] = (), blocks: Iterable[Waveform] = ()) -> int:
        """Sift and store a group of (metric, seq, t, value); return how many copies were new."""
        readings = np.array([(DEVICE, *row) for row in rows], READING)
        past = Past(self.readings, self.waveforms, self.told)
        batch = without_copies(
            ReadingBatch(readings, tuple(blocks)), np.array([DEVICE], np.uint32), PERIODS_S.__getitem__, past
        )
        for device, metric, seq, t, value in batch.readings.tolist():
            self.rows.setdefault(seq, Reading(device, seq, metric, t, value, T0))
        for block in batch.waveforms:
            self.blocks.setdefault(block.seq, block)
        before = len(self.copies)
        self.copies.update({(copy.seq, copy.copy): StoredCopy(*copy, T0) for copy in batch.copies})
        return len(self.copies) - before


def row(lane: int, number: int, t: float, value: float = 72.0, metric: int = RATE) -> tuple[int, int, float, float]:
    return metric, seq_in(lane, number), T0 + t, value


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[float], set[int], list[list[tuple[int, int, float, float]]]]:
    """Values that a device measured once a second, which of them anybody heard, and groups in which they arrive."""
    values = draw(st.lists(st.sampled_from([70.0, 71.0]), min_size=1, max_size=8))
    told, heard = [], set()
    for lane in range(draw(st.integers(2, LANES))):
        number = draw(st.integers(0, 5))
        for place, value in enumerate(values):
            if draw(st.booleans()):
                late_s = draw(st.integers(0, 24)) / 100  # below a quarter of a second either way
                told.append(row(lane, number, place + late_s, value))
                heard.add(place)
                number += 1
    again = draw(st.lists(st.sampled_from(told), max_size=6)) if told else []
    order = draw(st.permutations(told + again))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=4)))
    return values, heard, [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]


@given(arrivals())
def test_any_interleaving_of_paths_gives_the_readings_that_the_union_of_them_heard(drawn) -> None:
    values, heard, groups = drawn
    shelf = Shelf()
    for group in groups:
        shelf.take(group)
    stored = sorted((round(one.t - T0 - 0.12), one.value) for one in shelf.rows.values())
    assert stored == [(place, values[place]) for place in sorted(heard)]


@given(arrivals())
def test_each_telling_is_either_kept_or_the_copy_of_one_that_is(drawn) -> None:
    _, _, groups = drawn
    shelf = Shelf()
    copies = sum(shelf.take(group) for group in groups)
    told = {seq for group in groups for _, seq, _, _ in group}
    assert {copy for _, copy in shelf.copies} | shelf.rows.keys() == told
    assert {seq for seq, _ in shelf.copies} <= shelf.rows.keys()
    assert copies == len(shelf.copies) == len(told) - len(shelf.rows)


def test_another_value_or_another_moment_is_another_reading() -> None:
    shelf = Shelf()
    shelf.take([row(0, 1, 0.0, 72.0)])
    assert shelf.take([row(1, 1, 0.1, 73.0), row(1, 2, 0.5, 72.0)]) == 0
    assert len(shelf.rows) == 3


def test_a_device_that_measures_more_often_than_its_kind_says_loses_nothing() -> None:
    shelf = Shelf()
    shelf.take([row(0, 1, 0.0)])
    assert shelf.take([row(1, 1, 0.05), row(1, 2, 0.3)]) == 1
    assert sorted(one.t - T0 for one in shelf.rows.values()) == pytest.approx([0.0, 0.3], abs=1e-3)


def test_two_openings_of_a_lid_by_one_path_stay_two() -> None:
    shelf = Shelf()
    assert shelf.take([row(0, 1, 0.0, 1.0, LID), row(0, 2, 0.2, 1.0, LID)]) == 0
    assert shelf.take([row(1, 1, 0.1, 1.0, LID), row(1, 2, 0.3, 1.0, LID)]) == 2


def test_a_backlog_beside_live_readings_reads_nothing_of_the_hours_between() -> None:
    shelf = Shelf()
    shelf.take([row(0, second, float(second)) for second in range(8 * 3600)])
    shelf.read = 0
    assert shelf.take([row(0, 8 * 3600, 8 * 3600.0), *(row(1, n, n + 0.1) for n in range(60))]) == 60
    assert shelf.read < 65


def test_each_of_many_equal_readings_is_compared_with_its_neighbours_only() -> None:
    def steps(count: int) -> int:
        shelf = Shelf()
        shelf.take([row(0, n, float(n)) for n in range(count)])
        return steps_of(lambda: shelf.take([row(1, n, n + 0.1) for n in range(count)]))

    assert steps(400) < 2.5 * steps(200)


def test_a_block_of_the_same_samples_is_one_block() -> None:
    def block(lane: int, number: int, t: float, first: int = 0) -> Waveform:
        samples = np.arange(first, first + 125, dtype=np.int16)
        return Waveform(DEVICE, ECG, seq_in(lane, number), T0 + t, 0.004, 0.005, samples)

    shelf = Shelf()
    assert shelf.take(blocks=[block(0, 1, 0.0), block(1, 1, 0.1), block(1, 2, 0.6)]) == 1
    assert shelf.take(blocks=[block(0, 2, 0.55), block(0, 3, 1.0, first=9)]) == 1
    assert sorted(shelf.blocks) == [1, 3, seq_in(1, 2)]


def test_rare_readings_and_events_are_told_apart_within_seconds() -> None:
    assert apart_s(1.0) == 0.5
    assert apart_s(3600.0) == MOST_APART_S
    assert 0 < apart_s(0.0) < 1


@given(st.integers(1, 2**32 - 1), st.integers(0, LANES - 1), st.integers(0, 2**48 - 1))
def test_a_number_keeps_its_lane_and_stays_exact_in_a_browser(device: int, lane: int, number: int) -> None:
    seq = seq_in(lane, number)
    assert (lane_of(seq), number_of(seq)) == (lane, number)
    assert seq < 2**53
    assert streams(np.array([device], np.uint32), np.array([seq], np.uint64)).tolist() == [stream_of(device, seq)]
