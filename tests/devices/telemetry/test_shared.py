"""What every engine keeps of a device that several gateways hear, and how it lets go of it."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import psycopg
import pytest

from devices.errors import StoreUnavailable
from devices.telemetry import READING, Aged, Copy, ReadingBatch, Waveform, Worn, group_frames, open_store
from devices.telemetry import postgres as postgres_module
from devices.telemetry import sqlite as sqlite_module
from devices.telemetry.lanes import seq_in, stream
from tests.patience import PATIENCE_S

GLUCOSE, ECG = 0x8027_0074, 0x8027_0080
T0 = 1_700_000_000.0
DEVICE = 7


def batch(*rows: tuple[int, int, float], copies=(), waveforms=(), received=T0) -> ReadingBatch:
    """Rows are (lane, number, seconds after T0); each row comes in a frame of its own."""
    readings = np.array([(DEVICE, GLUCOSE, seq_in(lane, n), T0 + t, 5.0) for lane, n, t in rows], READING)
    seqs = [*readings["seq"].tolist(), *(copy.copy for copy in copies)]
    frames = [bytes([1, 1, 1, 0]) + DEVICE.to_bytes(4, "big") + bytes(4) + seq.to_bytes(8, "big") for seq in seqs]
    first, counts = np.array(seqs, np.uint64), np.ones(len(seqs), np.intp)
    group = group_frames(frames, first, counts, [bytes(32)] * len(seqs)) if seqs else None
    return ReadingBatch(readings, tuple(waveforms), received, frames=group, copies=tuple(copies))


def test_readings_of_every_lane_are_found_by_time_and_after_a_cursor(store) -> None:
    store.write(batch((0, 5, 0.0), (1, 900, 1.0), (3, 2, 2.0), (0, 6, 3.0)))
    found = [row.seq for row in store.history([DEVICE], [GLUCOSE], T0, T0 + 60)]
    assert found == [5, seq_in(1, 900), seq_in(3, 2), 6]
    assert [row.seq for row in store.since({DEVICE: 5, stream(DEVICE, 1): -1}, 10)] == [6, seq_in(1, 900)]
    ends = {DEVICE: 6, stream(DEVICE, 1): seq_in(1, 900)}
    assert store.ends([*ends, stream(DEVICE, 2), 8]) == ends
    assert store.buckets([DEVICE], 0, 2**31, 10) == [int(T0) // 600]


def test_a_copy_is_kept_once_and_told_as_new_once(store) -> None:
    copy = Copy(DEVICE, 5, seq_in(1, 1))
    store.write(batch((0, 5, 0.0)))
    assert store.write(batch(copies=[copy], received=T0 + 1)).copies.tolist() == [True]
    assert store.write(batch((0, 6, 1.0), copies=[copy], received=T0 + 2)).copies.tolist() == [False]
    assert [tuple(one) for one in store.copies(DEVICE, [5, 6])] == [(*copy, T0 + 1)]


def test_who_is_erased_leaves_no_reading_copy_or_frame_of_any_path(store) -> None:
    block = Waveform(DEVICE, ECG, 9, T0 + 2, 0.004, 0.005, np.arange(125, dtype=np.int16))
    store.write(batch((0, 5, 0.0), (1, 2, 1.0), waveforms=[block]))
    told = [Copy(DEVICE, 5, seq_in(1, 1)), Copy(DEVICE, seq_in(1, 2), 6), Copy(DEVICE, 9, seq_in(1, 3))]
    store.write(batch(copies=told, received=T0 + 1))
    assert store.groups_received(T0 + 1)[0].group.frame(0) is not None
    while store.erase(Worn(DEVICE, T0 - 600, T0 + 1200), 1):
        pass
    assert store.history([DEVICE], [GLUCOSE], T0 - 600, T0 + 600) == []
    assert store.copies(DEVICE, [5, seq_in(1, 2), 9]) == []
    assert store.buckets([DEVICE], 0, 2**31, 10) == []
    for received, frames in ((T0, 2), (T0 + 1, 2)):
        (group,) = store.groups_received(received)
        assert [group.group.frame(place) for place in range(frames)] == [None] * frames


@pytest.mark.parametrize("spared", [[], [DEVICE]])
def test_what_is_over_age_goes_in_every_lane_unless_it_is_spared(store, spared) -> None:
    store.write(batch((0, 5, 0.0), (1, 2, 1.0), copies=[Copy(DEVICE, 5, seq_in(1, 1))]))
    late = T0 + 86_400
    assert store.count_aged(Aged.READINGS, late, spared) == (0 if spared else 2)
    while store.drop_aged(Aged.READINGS, late, spared, 1):
        pass
    left = store.history([DEVICE], [GLUCOSE], T0, T0 + 60)
    assert (len(left), len(store.copies(DEVICE, [5]))) == ((2, 1) if spared else (0, 0))


@pytest.mark.parametrize("spared", [[], [DEVICE]])
def test_copies_of_blocks_go_with_their_blocks(store, spared) -> None:
    block = Waveform(DEVICE, ECG, 9, T0, 0.004, 0.005, np.arange(125, dtype=np.int16))
    store.write(batch(waveforms=[block], copies=[Copy(DEVICE, 9, seq_in(1, 3))]))
    store.drop_waveforms_before(T0 + 1, spared)
    assert len(store.copies(DEVICE, [9])) == len(spared)


def test_one_process_at_a_time_decides_about_a_shared_device(store, store_url, monkeypatch) -> None:
    for module in (sqlite_module, postgres_module):
        monkeypatch.setattr(module, "LOCK_WITHIN_S", 0.05)
    other = open_store(store_url)
    order: list[str] = []

    def decide() -> None:
        with ExitStack() as held:
            while True:
                try:
                    held.enter_context(other.hold([DEVICE, 9]))
                    break
                except StoreUnavailable:
                    order.append("waited")
                    waited.set()
            order.append("second")

    waited = threading.Event()
    deciding = threading.Thread(target=decide)
    with store.hold([8, DEVICE]):
        deciding.start()
        assert waited.wait(PATIENCE_S)
        order.append("first")
    deciding.join(PATIENCE_S)
    other.close()
    assert [word for word in order if word != "waited"] == ["first", "second"]


def test_a_decision_that_failed_lets_go(store, store_url) -> None:
    other = open_store(store_url)
    with pytest.raises(ZeroDivisionError), store.hold([DEVICE]):
        _ = 1 / 0
    with other.hold([DEVICE]):
        pass
    other.close()


def take_the_lock_away(store_url: str) -> None:
    """End what holds the lock: the connection in PostgreSQL, the file beside SQLite."""
    if store_url.startswith("sqlite"):
        Path(f"{store_url.removeprefix('sqlite:///')}.paths").unlink()
        return
    with psycopg.connect(store_url, autocommit=True) as db:
        ended = db.execute(
            """select pg_terminate_backend(pid) from pg_locks join pg_database as db on db.oid = database
            where locktype = 'advisory' and datname = current_database() and (classid, objid) = (%s, %s)""",
            (postgres_module.PATHS_LOCK, DEVICE),
        )
        assert ended.fetchall() == [(True,)]


def test_a_lock_that_is_lost_after_the_commit_takes_nothing_back(store, store_url) -> None:
    with store.hold([DEVICE]):
        store.write(batch((0, 5, 0.0)))
        take_the_lock_away(store_url)
    assert len(store.history([DEVICE], [GLUCOSE], T0, T0 + 60)) == 1
    with store.hold([DEVICE]):
        pass
