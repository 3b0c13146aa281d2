"""The launcher: restarts what dies, stops everything it started, and says in one sentence why it cannot start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S
from twin.launcher import Child, Launcher, LaunchRefused, require_disk, require_free_port

SLEEPER = "import time; time.sleep(600)"
PARENT = f"""import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", {SLEEPER!r}]).pid, flush=True)
time.sleep(600)"""


def _alive(pid: int) -> bool:
    try:
        with Path(f"/proc/{pid}/stat").open() as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _eventually(condition) -> bool:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_stopping_ends_children_and_grandchildren(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path, print)
    launcher.add(Child("parent", [sys.executable, "-c", PARENT]))
    log = tmp_path / "parent.log"
    assert _eventually(lambda: log.exists() and log.read_text().strip())
    grandchild = int(log.read_text())
    assert _alive(grandchild)
    launcher.stop()
    assert _eventually(lambda: not _alive(grandchild))


def test_a_killed_child_is_started_again_and_a_signal_ends_the_watch(tmp_path: Path) -> None:
    said: list[str] = []
    launcher = Launcher(tmp_path, said.append)
    child = Child("sleeper", [sys.executable, "-c", SLEEPER])
    launcher.add(child)
    assert child.process
    first = child.process.pid

    def disturb() -> None:
        os.kill(first, signal.SIGKILL)
        _eventually(lambda: child.process is not None and child.process.pid != first)
        os.kill(os.getpid(), signal.SIGTERM)

    old = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    disturber = threading.Thread(target=disturb)
    disturber.start()
    try:
        launcher.watch()
    finally:
        disturber.join()
        signal.signal(signal.SIGTERM, old[0])
        signal.signal(signal.SIGINT, old[1])
        launcher.stop()
    assert child.process.pid != first
    assert any("starting it again" in sentence for sentence in said)
    assert not _alive(child.process.pid)


def test_what_a_killed_child_had_started_does_not_live_on_beside_its_successor(tmp_path: Path, monkeypatch) -> None:
    from twin import launcher as module

    launcher = Launcher(tmp_path, print)
    child = Child("parent", [sys.executable, "-c", PARENT])
    launcher.add(child)
    log = tmp_path / "parent.log"
    assert _eventually(lambda: log.exists() and log.read_text().strip())
    grandchild = int(log.read_text())
    assert child.process
    monkeypatch.setattr(module, "RESTART_AFTER_S", 0.0)  # a child that dies at once is given a moment first
    child.process.kill()
    child.process.wait()
    assert _alive(grandchild)
    launcher._revive(child)
    assert _eventually(lambda: not _alive(grandchild))
    launcher.stop()


def test_what_died_of_a_full_disk_comes_back_when_there_is_room(tmp_path: Path, monkeypatch) -> None:
    from twin import launcher as module

    said: list[str] = []
    launcher = Launcher(tmp_path, said.append)
    child = Child("dies", [sys.executable, "-c", ""])
    launcher.add(child)
    assert child.process
    child.process.wait()
    child.started = [time.monotonic()] * (module.GIVE_UP_AFTER + 1)  # so that it would be given up
    monkeypatch.setattr(module, "free_mb", lambda _: 0)
    first = child.process
    for _ in range(3):
        launcher._revive(child)
    assert child.process is first
    assert len(said) == 1
    monkeypatch.undo()
    monkeypatch.setattr(module, "RESTART_AFTER_S", 0.0)
    launcher._revive(child)
    assert child.process is not first
    launcher.stop()


def test_a_child_outlives_no_launcher_that_was_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from twin.launcher import Child, Launcher\n"
        f"launcher = Launcher(Path({str(tmp_path)!r}), print)\n"
        f"child = Child('sleeper', [sys.executable, '-c', {SLEEPER!r}])\n"
        "launcher.add(child); print(child.process.pid, flush=True); time.sleep(600)"
    )
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=root) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert _alive(pid)
        parent.kill()
    assert _eventually(lambda: not _alive(pid))


def test_a_taken_port_gets_one_sentence_with_a_way_out() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(LaunchRefused, match=f"Port {port} is taken.*PORT={port + 1}"):
            require_free_port("127.0.0.1", port)


def test_a_full_disk_gets_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LaunchRefused, match="nearly full"):
        require_disk(tmp_path, needed_mb=10**12)


def test_an_unwritable_folder_gets_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LaunchRefused, match="MEDTWIN_HOME"):
        require_disk(tmp_path / "file" / "below", needed_mb=1)
