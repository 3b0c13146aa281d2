"""Dose events through any sequence of putting, acknowledging, dropping and killing: there until acknowledged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from devices.gateway.queue import DiskQueue
from devices.kinds.registry import Urgency
from tests.devices.gateway.test_queue_bound import BOUND, batch, numbers
from tests.patience import until

ROOT = Path(__file__).resolve().parents[3]


class BoundModel(RuleBasedStateMachine):
    """What was put, by urgency, and the dose events that must be there, against a file of 1 MiB."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "queue.sqlite3"
        self.queue = DiskQueue(self.path, [7], max_bytes=BOUND)
        self.doses: list[int] = []
        self.put, self.acknowledged = Counter[Urgency](), Counter[Urgency]()
        self.made = 0

    @rule(urgency=st.sampled_from(Urgency), count=st.integers(1, 60), size=st.integers(50, 15_000))
    def append(self, urgency: Urgency, count: int, size: int) -> None:
        # Dose events alone must not fill the file here: that has a test of its own.
        size = min(size, 300) if urgency is Urgency.DOSE else size
        fresh = list(range(self.made, self.made + count))
        self.queue.append([batch(urgency, number, size) for number in fresh], {})
        self.made += count
        self.put[urgency] += count
        if urgency is Urgency.DOSE:
            self.doses += fresh

    @precondition(lambda self: self.queue.depth().waiting)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        waiting = self.queue.after(0, 10_000)
        gone = waiting[: data.draw(st.integers(1, len(waiting)))]
        self.queue.remove([one.id for one in gone])
        self.acknowledged.update(one.urgency for one in gone)
        settled = {int(one.payload[:8]) for one in gone if one.urgency is Urgency.DOSE}
        self.doses = [number for number in self.doses if number not in settled]

    @rule()
    def start_anew(self) -> None:
        os.close(self.queue._guard)
        self.queue._db.close()
        self.queue = DiskQueue(self.path, [7], max_bytes=BOUND)

    @invariant()
    def every_dose_is_there_once_and_every_batch_is_accounted_for(self) -> None:
        assert numbers(self.queue, Urgency.DOSE) == self.doses
        depth = self.queue.depth()
        assert depth.used_bytes <= BOUND
        assert self.path.stat().st_size <= BOUND
        for urgency, one in depth.classes.items():
            assert one.waiting + one.dropped + self.acknowledged[urgency] == self.put[urgency]
        assert depth.classes[Urgency.DOSE].dropped == 0

    def teardown(self) -> None:
        self.queue.close()
        self.folder.cleanup()


BoundModel.TestCase.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
TestBoundModel = BoundModel.TestCase

WRITER = f"""
import sys
from pathlib import Path
from devices.gateway.queue import Batch, DiskQueue
from devices.kinds.registry import Urgency
from devices.protocol.frames import FrameKind
queue = DiskQueue(Path(sys.argv[1]), [7], max_bytes={BOUND})
number = int(sys.argv[2])
while True:
    queue.append([Batch(7, FrameKind.WAVEFORM, bytes(9000), urgency=Urgency.BULK) for _ in range(4)], {{}})
    queue.append([Batch(7, FrameKind.READINGS, b"%08d" % number, urgency=Urgency.DOSE)], {{}})
    print(number, flush=True)
    number += 1
"""


@pytest.mark.process
async def test_kill_minus_nine_while_bulk_is_dropped_loses_no_dose_event(tmp_path: Path) -> None:
    path, told, stored = tmp_path / "queue.sqlite3", tmp_path / "told", -1
    for life in range(4):
        enough = 60 if life == 0 else 10
        with told.open("w") as out:
            writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(stored + 1)], cwd=ROOT, stdout=out)
        await until(lambda: told.read_text().count("\n") > enough)  # noqa: B023
        writer.send_signal(signal.SIGKILL)
        assert writer.wait() == -signal.SIGKILL
        said = int(told.read_text().rsplit("\n", 1)[0].split("\n")[-1])
        queue = DiskQueue(path, [7], max_bytes=BOUND)
        found, dropped = numbers(queue, Urgency.DOSE), queue.depth().classes[Urgency.BULK].dropped
        queue.close()
        stored = found[-1]
        assert stored in (said, said + 1), "what it said is stored; one more may be, unsaid"
        assert found == list(range(stored + 1))
        assert dropped > 0
        assert path.stat().st_size <= BOUND
