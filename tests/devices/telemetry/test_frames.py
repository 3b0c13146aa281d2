"""One suite for every engine: sealed frames lie beside their readings, and a root finds and keeps its groups."""

from __future__ import annotations

import hashlib
import uuid

import numpy as np
import pytest

from devices.telemetry import READING, FrameGroup, ReadingBatch, Seal, group_frames
from devices.telemetry.frames import ENTRY, read_group

T0 = 1_700_000_000.0
SESSION = bytes(range(32))


def frame(device: int, counter: int, text: bytes = b"sealed") -> bytes:
    """Something that begins like a frame."""
    head = bytes([1, 1, 1, 0]) + device.to_bytes(4, "big") + (1).to_bytes(4, "big") + counter.to_bytes(8, "big")
    return head + text * counter


def group(*frames: bytes, first=(1, 21), counts=(20, 20)) -> FrameGroup:
    some = len(frames)
    return group_frames(frames, np.array(first[:some], np.uint64), np.array(counts[:some], np.intp), [SESSION] * some)


def batch(frames: FrameGroup | None, received: float = T0, seq: int = 1) -> ReadingBatch:
    rows = np.array([(7, 0x8027_0074, seq, received, 100.0)], READING)
    return ReadingBatch(rows, received_at=received, frames=frames)


def seal_of(store, root: bytes = bytes(32)) -> Seal:
    groups = store.unsealed_groups(100)
    made = Seal(str(uuid.uuid4()), root, sum(len(found.group) for found in groups), T0, T0)
    assert store.seal_groups(made, [found.number for found in groups])
    return made


def test_frames_come_back_as_they_came(store):
    frames = [frame(7, 3), frame(9, 5)]
    store.write(batch(group(*frames)))
    (found,) = store.groups_received(T0)
    assert [found.group.frame(place) for place in (0, 1)] == frames
    assert found.group.hash_of(1) == hashlib.sha256(frames[1]).digest()
    assert found.group.session_of(0) == SESSION
    assert found.group.entries[["device", "epoch", "counter"]].tolist() == [(7, 1, 3), (9, 1, 5)]
    assert (found.received, found.seal) == (T0, None)


@pytest.mark.parametrize(
    ("device", "seq", "place"),
    [(7, 1, 0), (7, 20, 0), (7, 21, None), (7, 0, None), (9, 21, 1), (9, 40, 1), (8, 1, None)],
)
def test_a_reading_is_found_in_the_frame_that_brought_it(device, seq, place):
    assert group(frame(7, 3), frame(9, 5)).place_of(device, seq) == place


def test_a_group_without_frames_of_readings_keeps_none(store):
    store.write(batch(None))
    assert store.groups_received(T0) == []


def test_frames_are_kept_when_a_reading_of_the_group_was_there_already(store):
    store.write(batch(group(frame(7, 3))))
    store.write(batch(group(frame(7, 4)), received=T0 + 1))
    assert store.reading(7, 1).received == T0
    assert [len(store.groups_received(t)) for t in (T0, T0 + 1)] == [1, 1]


def test_one_reading_is_found_by_its_number(store):
    store.write(batch(None, seq=5))
    assert store.reading(7, 5).value == 100.0
    assert store.reading(7, 6) is None


def test_a_group_is_sealed_once(store):
    store.write(batch(group(frame(7, 3), frame(9, 5))))
    store.write(batch(group(frame(7, 6)), received=T0 + 1, seq=2))
    numbers = [found.number for found in store.unsealed_groups(100)]
    made = seal_of(store)
    assert made.frames == 3
    assert store.unsealed_groups(100) == []
    assert not store.seal_groups(made._replace(name=str(uuid.uuid4())), numbers)  # as a second process would
    assert store.unlogged_seals() == [made]
    assert [found.number for found in store.groups_sealed(made.name)] == numbers
    assert store.groups_sealed(made.name)[0].group.frames is None  # not fetched: a root is made of hashes


def test_a_seal_is_offered_to_the_log_until_it_is_there(store):
    store.write(batch(group(frame(7, 3))))
    made = seal_of(store)
    assert store.unlogged_seals() == [made]
    store.mark_logged([made.name])
    assert store.unlogged_seals() == []


def test_old_frames_go_and_their_hashes_stay(store):
    store.write(batch(group(frame(7, 3))))
    store.write(batch(group(frame(7, 4)), received=T0 + 100, seq=2))
    assert store.drop_frames_before(T0 + 50, 10) == 1
    assert store.drop_frames_before(T0 + 50, 10) == 0
    old, new = store.groups_received(T0)[0].group, store.groups_received(T0 + 100)[0].group
    assert (old.frames, old.frame(0)) == (None, None)
    assert old.hash_of(0) == hashlib.sha256(frame(7, 3)).digest()
    assert new.frame(0) == frame(7, 4)


@pytest.mark.parametrize("spoil", [b"", b"x" * 7, b"x" * (ENTRY.itemsize + 3)])
def test_bytes_that_somebody_changed_are_read_as_far_as_they_go(spoil):
    found = read_group(spoil, b"short", b"", b"")
    assert len(found) == len(spoil) // ENTRY.itemsize
    assert all(len(leaf) < 64 for leaf in found.leaves())
