"""The disk queue: what it took survives, what must not repeat does not, and it stays within its bounds."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from devices.gateway import queue as queue_module
from devices.gateway.queue import COUNTER_BLOCK, Batch, DiskQueue, QueueUnusable
from devices.gateway.queue_file import read_depth
from devices.protocol.frames import FrameKind


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.sqlite3"


@pytest.fixture
def queue(path: Path):
    opened = DiskQueue(path, [7, 8])
    yield opened
    opened.close()


def readings(*payloads: bytes, device: int = 7) -> list[Batch]:
    return [Batch(device, FrameKind.READINGS, payload) for payload in payloads]


def payloads(queue: DiskQueue) -> list[bytes]:
    return [batch.payload for batch in queue.after(0, 100)]


def reopen(queue: DiskQueue, path: Path) -> DiskQueue:
    queue.close()
    return DiskQueue(path, [7, 8])


def test_batches_and_sequence_numbers_survive_a_restart(path: Path) -> None:
    first = DiskQueue(path, [7])
    seq = first.next_seqs()[7]
    first.append(readings(b"a", b"b"), {7: seq + 2})
    again = reopen(first, path)
    assert payloads(again) == [b"a", b"b"]
    assert again.next_seqs()[7] == seq + 2
    again.close()


def test_counters_are_never_given_twice_over_restarts(path: Path) -> None:
    given: list[int] = []
    for _ in range(3):
        opened = DiskQueue(path, [7])
        given += [opened.take_counter(7) for _ in range(COUNTER_BLOCK + 5)]
        opened.close()
    assert given == sorted(set(given))


def test_counters_of_devices_are_independent(queue: DiskQueue) -> None:
    a, b = queue.take_counter(7), queue.take_counter(8)
    assert (queue.take_counter(7), queue.take_counter(8)) == (a + 1, b + 1)


def test_lost_file_repeats_neither_counter_nor_sequence_number(path: Path) -> None:
    first = DiskQueue(path, [7])
    seq, counter = first.next_seqs()[7], first.take_counter(7)
    first.close()
    for file in path.parent.iterdir():
        file.unlink()
    time.sleep(0.01)
    fresh = DiskQueue(path, [7])
    assert fresh.next_seqs()[7] > seq
    assert fresh.take_counter(7) > counter
    fresh.close()


def test_restored_file_repeats_no_counter(path: Path) -> None:
    first = DiskQueue(path, [7])
    first.close()
    backup = path.read_bytes()
    second = DiskQueue(path, [7])
    used = [second.take_counter(7) for _ in range(3)]
    second.close()
    path.write_bytes(backup)
    time.sleep(0.01)
    restored = DiskQueue(path, [7])
    assert restored.take_counter(7) > max(used)
    restored.close()


def test_removed_batches_are_gone_and_others_stay(queue: DiskQueue) -> None:
    queue.append(readings(b"a", b"b", b"c"), {})
    a, b, c = queue.after(0, 3)
    queue.remove([b.id])
    queue.remove([])
    assert [batch.payload for batch in queue.get([a.id, b.id, c.id])] == [b"a", b"c"]
    assert queue.depth().waiting == 2


def test_buried_batch_waits_among_the_dead_and_can_be_revived(queue: DiskQueue) -> None:
    queue.append(readings(b"a", b"b"), {})
    queue.bury(queue.after(0, 1)[0].id, "frame_forged", "wrong key")
    assert (queue.depth().waiting, queue.depth().dead) == (1, 1)
    assert queue.revive() == 1
    assert payloads(queue) == [b"b", b"a"]
    assert queue.depth().dead == 0


def test_dead_letters_are_bounded(queue: DiskQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "MAX_DEAD_LETTERS", 2)
    for name in (b"a", b"b", b"c"):
        queue.append(readings(name), {})
        queue.bury(queue.after(0, 1)[0].id, "code", "message")
    queue.revive()
    assert payloads(queue) == [b"b", b"c"]


def test_full_disk_stores_nothing_by_halves(queue: DiskQueue) -> None:
    before = queue.next_seqs()
    queue._db.execute("PRAGMA max_page_count=1")  # SQLite's own way to have a full disk
    with pytest.raises(QueueUnusable, match="full"):
        queue.append(readings(bytes(100_000)), {7: before[7] + 9})
    assert queue.next_seqs() == before
    assert payloads(queue) == []
    queue._db.execute("PRAGMA max_page_count=100000")
    queue.append(readings(b"later"), {7: before[7] + 1})
    assert payloads(queue) == [b"later"]


def test_second_gateway_on_the_same_queue_is_refused(queue: DiskQueue, path: Path) -> None:
    with pytest.raises(QueueUnusable, match="already"):
        DiskQueue(path, [7])


def test_file_that_is_no_queue_is_refused_by_name(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(QueueUnusable):
        DiskQueue(path, [7])


def test_only_the_owner_can_read_the_queue(queue: DiskQueue, path: Path) -> None:
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0


def test_depth_is_read_beside_the_running_gateway(queue: DiskQueue, path: Path) -> None:
    queue.append(readings(b"a"), {}, made=time.time() - 60)
    depth = read_depth(path, time.time(), queue.max_bytes)
    assert depth.waiting == 1
    assert 59 < depth.oldest_s < 70


def test_depth_of_a_missing_queue_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(QueueUnusable):
        read_depth(tmp_path / "none.sqlite3", 0.0, 1 << 20)
