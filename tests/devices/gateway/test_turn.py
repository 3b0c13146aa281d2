"""The turn on a shared line: bulk waits, what is urgent never does, and nobody waits for the dead or for ever."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from devices.gateway.turn import LONGEST_S, LOOK_EVERY_S, LineTurn

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "turn"


class Clock:
    """Counts the times that somebody slept, and does something at one of them."""

    def __init__(self, at: int = -1, what: Callable[[], None] = lambda: None) -> None:
        self.slept, self.at, self.what = 0, at, what

    def sleep(self, seconds: float) -> None:
        self.slept += 1
        if self.slept == self.at:
            self.what()


def test_bulk_goes_at_once_on_a_quiet_line(path: Path) -> None:
    clock = Clock()
    assert LineTurn(path).wait_for_quiet(sleep=clock.sleep)
    assert clock.slept == 0


def test_bulk_waits_until_the_last_urgent_holder_is_done(path: Path) -> None:
    gateway, image = LineTurn(path), LineTurn(path)
    gateway.take()
    gateway.take()
    image.take()
    gateway.release()
    clock = Clock(at=5, what=image.release)
    assert LineTurn(path).wait_for_quiet(sleep=clock.sleep)
    assert clock.slept == 5


def test_bulk_waits_no_longer_than_it_must(path: Path) -> None:
    with LineTurn(path).held():
        clock = Clock()
        assert not LineTurn(path).wait_for_quiet(sleep=clock.sleep)
    assert clock.slept == round(LONGEST_S / LOOK_EVERY_S)


def test_turn_of_a_killed_program_is_free(path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom devices.gateway.turn import LineTurn\n"
        "turn = LineTurn(Path(sys.argv[1])); turn.take(); print('taken', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"taken\n"
        assert not LineTurn(path).wait_for_quiet(at_most_s=0.1)
        holder.kill()
        holder.wait()
    assert LineTurn(path).wait_for_quiet(at_most_s=0.1)


def test_without_a_file_nobody_waits() -> None:
    turn = LineTurn(None)
    with turn.held():
        assert turn.wait_for_quiet()


def test_urgent_traffic_waits_behind_the_one_piece_that_is_on_the_line(path: Path) -> None:
    started, finish = queue.SimpleQueue[int](), threading.Semaphore(0)

    def upload() -> None:
        for number in range(3):
            LineTurn(path).wait_for_quiet(at_most_s=600)
            started.put(number)
            assert finish.acquire(timeout=60)

    gateway, bulk = LineTurn(path), threading.Thread(target=upload)
    bulk.start()
    assert started.get(timeout=60) == 0
    gateway.take()  # a dose event comes while the first piece is on its way
    finish.release()
    with pytest.raises(queue.Empty):
        started.get(timeout=0.3)
    gateway.release()
    assert started.get(timeout=60) == 1
    finish.release(2)
    assert started.get(timeout=60) == 2
    bulk.join(60)
