"""One suite for every engine of the telemetry store."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import WindowsMoved
from devices.telemetry import READING, Reading, ReadingBatch, StoredWindow, Waveform, open_store
from devices.telemetry.batch import BUCKET_S, buckets_of

GLUCOSE, RATE = 0x8027_0074, 0x8027_0080
T0 = 1_700_000_000.0


def readings(*rows: tuple[int, int, int, float, float]) -> np.ndarray:
    """Rows are (device, metric, seq, t, value)."""
    return np.array(list(rows), READING)


def batch(*rows, received=T0 + 1, waveforms=()) -> ReadingBatch:
    return ReadingBatch(readings(*rows), tuple(waveforms), received)


def series(device: int, values, metric=GLUCOSE, first_seq=1, step_s=1.0) -> np.ndarray:
    rows = [(device, metric, first_seq + i, T0 + i * step_s, value) for i, value in enumerate(values)]
    return np.array(rows, READING)


def block(seq: int, t0: float, device=7) -> Waveform:
    return Waveform(device, RATE, seq, t0, 0.004, 0.005, np.arange(250, dtype=np.int16))


def test_a_committed_reading_comes_back_as_it_went_in(store):
    written = store.write(batch((0xFFFF_FFFF, GLUCOSE, 2**62, T0, 5.5)))
    assert written.readings.tolist() == [True]
    assert store.history([0xFFFF_FFFF], [GLUCOSE], T0, T0 + 1) == [
        Reading(0xFFFF_FFFF, 2**62, GLUCOSE, T0, 5.5, T0 + 1)
    ]


def test_an_empty_group_only_keeps_the_replay_window(store):
    written = store.write(batch(), [StoredWindow(7, 1, 40, 2**63 - 1)])
    assert len(written.readings) == 0
    assert store.replay_windows([7]) == [StoredWindow(7, 1, 40, 2**63 - 1)]


def test_a_later_window_replaces_the_earlier_one(store):
    store.write(batch(), [StoredWindow(7, 1, 40, 3), StoredWindow(8, 1, 1, 0)])
    store.write(batch(), [StoredWindow(7, 2, 5, 1)])
    assert sorted(store.replay_windows([7, 8, 9])) == [StoredWindow(7, 2, 5, 1), StoredWindow(8, 1, 1, 0)]
    assert store.replay_windows([8]) == [StoredWindow(8, 1, 1, 0)]


def test_a_window_that_moved_elsewhere_stops_the_whole_group(store):
    first, moved, stale = StoredWindow(7, 1, 3, 3), StoredWindow(7, 1, 9, 1), StoredWindow(7, 1, 4, 7)
    store.write(batch(), [first], [])
    store.write(batch(), [moved], [first])
    for known in ([first], []):
        with pytest.raises(WindowsMoved):
            store.write(batch((7, GLUCOSE, 1, T0, 100.0)), [stale], known)
    assert store.latest([7]) == []
    assert store.replay_windows([7]) == [moved]
    store.write(batch((7, GLUCOSE, 1, T0, 100.0)), [StoredWindow(7, 1, 10, 3)], [moved])
    assert len(store.latest([7])) == 1


def test_a_reading_sent_twice_is_stored_once_and_called_new_once(store):
    first = store.write(batch((7, GLUCOSE, 1, T0, 100.0), (7, GLUCOSE, 2, T0 + 1, 101.0)))
    again = store.write(batch((7, GLUCOSE, 2, T0 + 1, 101.0), (7, GLUCOSE, 3, T0 + 2, 102.0), received=T0 + 9))
    assert first.readings.tolist() == [True, True]
    assert again.readings.tolist() == [False, True]
    kept = store.history([7], [GLUCOSE], T0, T0 + 10)
    assert [(row.seq, row.received) for row in kept] == [(1, T0 + 1), (2, T0 + 1), (3, T0 + 9)]


def test_what_was_not_stored_never_becomes_the_newest(store):
    store.write(batch((7, GLUCOSE, 1, T0, 100.0)))
    store.write(batch((7, GLUCOSE, 1, T0 + 60, 300.0)))
    assert [(row.t, row.value) for row in store.latest([7])] == [(T0, 100.0)]


def test_a_reading_twice_in_one_group_is_new_once(store):
    written = store.write(batch((7, GLUCOSE, 1, T0, 100.0), (7, GLUCOSE, 1, T0, 100.0)))
    assert written.readings.tolist() == [True, False]


def test_a_large_group_with_an_odd_size_is_complete_and_known_again(store):
    rows = series(3, range(1_237))
    written = store.write(ReadingBatch(rows, (), T0))
    assert written.readings.all()
    assert [row.value for row in store.history([3], [GLUCOSE], T0, T0 + 2_000)] == list(range(1_237))
    again = store.write(ReadingBatch(np.concatenate([rows, series(4, [1.0])]), (), T0))
    assert np.flatnonzero(again.readings).tolist() == [1_237]


def test_latest_is_the_newest_by_device_time_whatever_the_order(store):
    store.write(batch((7, GLUCOSE, 5, T0 + 50, 150.0), (7, RATE, 6, T0 + 10, 1.5)))
    store.write(batch((7, GLUCOSE, 3, T0 + 30, 130.0), (7, GLUCOSE, 9, T0 + 40, 140.0)))
    assert [(row.metric, row.seq, row.value) for row in store.latest([7, 8])] == [(GLUCOSE, 5, 150.0), (RATE, 6, 1.5)]


def test_of_two_readings_at_one_time_the_higher_sequence_is_latest(store):
    store.write(batch((7, GLUCOSE, 5, T0, 150.0)))
    store.write(batch((7, GLUCOSE, 6, T0, 160.0)))
    store.write(batch((7, GLUCOSE, 4, T0, 140.0)))
    assert [row.value for row in store.latest([7])] == [160.0]


def test_history_keeps_to_devices_metrics_and_time(store):
    store.write(batch((7, GLUCOSE, 1, T0, 1.0), (7, GLUCOSE, 2, T0 + 5, 2.0), (7, RATE, 3, T0 + 1, 3.0)))
    store.write(batch((8, GLUCOSE, 1, T0 + 1, 4.0), (9, GLUCOSE, 1, T0 + 1, 5.0)))
    found = store.history([8, 7], [GLUCOSE], T0, T0 + 5)
    assert [row.value for row in found] == [1.0, 4.0]
    assert store.history([], [GLUCOSE], T0, T0 + 5) == []


def test_history_finds_late_readings_and_readings_of_a_clock_that_jumped(store):
    hour = 3600.0
    store.write(batch((7, GLUCOSE, 1, T0, 1.0), (7, GLUCOSE, 2, T0 + 2 * hour, 2.0)))
    store.write(batch((7, GLUCOSE, 3, T0 - 5 * hour, 3.0), (7, GLUCOSE, 4, T0 + hour, 4.0), (7, RATE, 5, T0, 5.0)))
    store.write(batch((7, GLUCOSE, 0, T0 + hour / 2, 0.5)))
    everything = store.history([7], [GLUCOSE], T0 - 10 * hour, T0 + 10 * hour)
    assert [row.value for row in everything] == [3.0, 1.0, 0.5, 4.0, 2.0]
    assert [row.value for row in store.history([7], [GLUCOSE], T0, T0 + 2 * hour)] == [1.0, 0.5, 4.0]
    assert [row.value for row in store.history([7], [GLUCOSE], T0 - 5 * hour, T0)] == [3.0]


@given(st.integers(2_500_000, 3_000_000), st.sampled_from([-3, -2, -1, 0, 1, 2]))
def test_a_time_lies_in_its_bucket_to_the_last_bit(bucket, steps):
    edge = np.float64(bucket * BUCKET_S)
    for _ in range(abs(steps)):
        edge = np.nextafter(edge, np.inf if steps > 0 else -np.inf)
    (found,) = buckets_of(np.array([edge]))
    assert found * BUCKET_S <= edge < (found + 1) * BUCKET_S


def test_history_before_the_epoch_of_time_is_empty_not_wrong(store):
    store.write(batch((7, GLUCOSE, 1, 0.5, 1.0)))
    assert [row.value for row in store.history([7], [GLUCOSE], -1000.0, 1.0)] == [1.0]
    assert store.history([7], [GLUCOSE], -1000.0, 0.0) == []


@pytest.mark.parametrize("max_points", [10, 60, 200])
def test_downsampling_keeps_the_extremes(store, max_points):
    values = np.sin(np.arange(5_000) / 300) * 10
    values[3_333], values[1_111] = 99.0, -99.0
    store.write(ReadingBatch(series(3, values), (), T0))
    kept = store.history([3], [GLUCOSE], T0, T0 + 5_000, max_points=max_points)
    assert len(kept) <= max_points
    assert len(kept) >= max_points // 2
    assert max(row.value for row in kept) == 99.0
    assert min(row.value for row in kept) == -99.0
    assert [row.t for row in kept] == sorted(row.t for row in kept)
    assert all(values[int(row.t - T0)] == row.value for row in kept)


def test_downsampling_counts_points_per_series(store):
    store.write(ReadingBatch(np.concatenate([series(3, range(100)), series(4, range(100))]), (), T0))
    kept = store.history([3, 4], [GLUCOSE], T0, T0 + 100, max_points=20)
    assert [len([row for row in kept if row.device == device]) for device in (3, 4)] == [20, 20]


def test_since_returns_everything_after_each_cursor_in_pieces(store):
    store.write(ReadingBatch(np.concatenate([series(3, range(10)), series(4, range(5))]), (), T0))
    cursors = {4: 0, 3: 7}
    seen: list[tuple[int, int]] = []
    while page := store.since(cursors, 3):
        seen += [(row.device, row.seq) for row in page]
        cursors |= {row.device: row.seq for row in page}
        assert len(page) <= 3
    assert seen == [(3, 8), (3, 9), (3, 10), (4, 1), (4, 2), (4, 3), (4, 4), (4, 5)]
    assert store.since({}, 3) == []


def test_waveforms_come_back_in_order_and_once(store):
    first = store.write(batch(waveforms=[block(2, T0 + 1), block(1, T0)]))
    again = store.write(batch(waveforms=[block(2, T0 + 1), block(3, T0 + 2)]))
    assert first.waveforms.tolist() == [True, True]
    assert again.waveforms.tolist() == [False, True]
    blocks = store.waveforms(7, RATE, T0, T0 + 2)
    assert [found.seq for found in blocks] == [1, 2]
    assert blocks[0].samples.tolist() == list(range(250))
    assert (blocks[0].period_s, blocks[0].scale) == (0.004, 0.005)


def test_old_waveforms_go_and_readings_stay(store):
    store.write(batch((7, GLUCOSE, 9, T0, 1.0), waveforms=[block(1, T0), block(2, T0 + 100)]))
    assert store.drop_waveforms_before(T0 + 50) == 1
    assert [found.seq for found in store.waveforms(7, RATE, T0, T0 + 1_000)] == [2]
    assert len(store.history([7], [GLUCOSE], T0, T0 + 1)) == 1


def test_what_was_committed_is_there_after_reopening(store, store_url):
    store.write(batch((7, GLUCOSE, 1, T0, 1.0)), [StoredWindow(7, 1, 1, 0)])
    other = open_store(store_url)
    assert [row.value for row in other.latest([7])] == [1.0]
    assert other.replay_windows([7]) == [StoredWindow(7, 1, 1, 0)]
    other.close()


@pytest.mark.django_db
def test_the_process_has_one_store_until_it_is_closed():
    from devices.services.telemetry import close_store, store

    first = store()
    assert store() is first
    assert close_store()
    assert not close_store()
    assert store() is not first


def test_buckets_are_those_in_which_a_device_has_readings(store):
    store.write(batch((7, GLUCOSE, 1, T0, 1.0), (7, GLUCOSE, 2, T0 + 5 * BUCKET_S, 1.0), (8, GLUCOSE, 1, T0, 1.0)))
    first = int(T0) // BUCKET_S
    assert store.buckets([7], 0, 2**40, 10) == [first + 5, first]
    assert store.buckets([7], 0, 2**40, 1) == [first + 5]
    assert store.buckets([7, 8], 0, first + 4, 10, newest_first=False) == [first]
    assert store.buckets([9], 0, 2**40, 10) == []
