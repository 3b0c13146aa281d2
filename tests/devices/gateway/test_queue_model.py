"""The disk queue against a plain dictionary, over any sequence of its operations and restarts."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from devices.gateway.queue import Batch, DiskQueue
from devices.protocol.frames import FrameKind

BOUND = 200


class QueueModel(RuleBasedStateMachine):
    """Waiting and dead batches as payload lists in order, the numbers given out, and the file that must agree."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "queue.sqlite3"
        self.queue = DiskQueue(self.path, [7])
        self.waiting: list[bytes] = []
        self.dead: list[bytes] = []
        self.seq = self.queue.next_seqs()[7]
        self.last_counter = 0
        self.made = 0

    def payload(self) -> bytes:
        self.made += 1
        return b"%d" % self.made

    @rule(count=st.integers(1, 4))
    def append(self, count: int) -> None:
        fresh = [self.payload() for _ in range(count)]
        self.seq += count
        self.queue.append([Batch(7, FrameKind.READINGS, one) for one in fresh], {7: self.seq})
        self.waiting += fresh

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        gone = data.draw(st.sets(st.sampled_from(self.waiting)))
        self.queue.remove([batch.id for batch in self.queue.after(0, BOUND) if batch.payload in gone])
        self.waiting = [one for one in self.waiting if one not in gone]

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def bury(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(self.waiting))
        victim = next(batch for batch in self.queue.after(0, BOUND) if batch.payload == one)
        self.queue.bury(victim.id, "frame_forged", "wrong key")
        self.waiting.remove(one)
        self.dead.append(one)

    @rule()
    def revive(self) -> None:
        assert self.queue.revive() == len(self.dead)
        self.waiting += self.dead
        self.dead = []

    @rule(many=st.integers(1, 3))
    def count(self, many: int) -> None:
        for _ in range(many):
            counter = self.queue.take_counter(7)
            assert counter > self.last_counter
            self.last_counter = counter

    @rule()
    def restart(self) -> None:
        self.queue.close()
        self.queue = DiskQueue(self.path, [7])

    @invariant()
    def agrees(self) -> None:
        assert [batch.payload for batch in self.queue.after(0, BOUND)] == self.waiting
        assert self.queue.next_seqs() == {7: self.seq}
        depth = self.queue.depth()
        assert (depth.waiting, depth.dead, depth.dropped) == (len(self.waiting), len(self.dead), 0)

    def teardown(self) -> None:
        self.queue.close()
        self.folder.cleanup()


QueueModel.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestQueueModel = QueueModel.TestCase
