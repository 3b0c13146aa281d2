"""kill -9 of the scanner's agent in the middle of an upload, and of a worker in its task, loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.forks import Forks
from tests.system.conftest import ROOT, eventually, free_port, isolated_environment
from tests.system.imaging_helper import SLICES
from twin.embedded import start_valkey

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]
SLOW = "tests.system.slow_imaging"  # who is to be killed in the middle: how long the middle lasts is not left to chance


class Hospital:
    """Web server, broker, worker and agent as processes of their own, in a folder of their own."""

    house: Forks

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.home = Path(environment["MEDTWIN_HOME"])
        self.children: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        full = self.environment | environment
        with (self.folder / f"{len(self.children)}.log").open("wb") as log:
            child = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env=full, stdout=log, stderr=log, start_new_session=True
            )
        self.children.append(child)
        return child

    def stop(self) -> None:
        for child in self.children:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)  # also the beat that a killed worker left behind
            child.kill()
            child.wait()

    def agent(self, module: str = "imaging.agent") -> subprocess.Popen[bytes]:
        return self.start("-m", module, "--config", str(self.folder / "agent.json"), "--once")

    def worker(self, module: str = "twin.celery") -> subprocess.Popen[bytes]:
        command = ["-m", "celery", "-A", module, "worker", "--beat", "-P", "solo", "-l", "info"]
        return self.start(*command, IMAGING_OPENING_KEY_FILE=str(self.home / "keys" / "hospital.seed"))

    def files(self, kind: str, pattern: str) -> list[Path]:
        return sorted((self.home / "imaging" / kind).glob(f"*/{pattern}"))

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in sorted(self.folder.glob("*.log")))


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("imaging")
    environment = isolated_environment(folder / "home", "imaging")
    environment["DJANGO_SETTINGS_MODULE"] = "twin.settings"
    port = free_port()
    made = Hospital(folder, environment)
    with ExitStack() as stack:
        stack.callback(made.stop)
        if not environment.get("REDIS_URL"):
            made.children.append(start_valkey(made.home / "run" / "valkey.sock", made.home / "valkey"))
        made.house = stack.enter_context(Forks("tests.system.imaging_helper", environment, folder / "house.log"))
        made.house.do("prepare", str(folder), f"http://127.0.0.1:{port}")
        made.start("-m", "twin.daphne", "-b", "127.0.0.1", "-p", str(port), "twin.asgi:application")
        yield made


def test_agent_killed_in_the_middle_of_an_upload_goes_on_where_it_was(hospital: Hospital) -> None:
    agent = hospital.agent(SLOW)
    eventually(lambda: len(hospital.files("incoming", "*.piece")) >= 2, 180, f"two pieces arrived\n{hospital.logs()}")
    agent.kill()
    agent.wait()
    before = {path.name: path.stat().st_mtime_ns for path in hospital.files("incoming", "*.piece")}
    sealed = list((hospital.folder / "spool").glob("*/*.piece"))
    assert 2 <= len(before) < len(sealed), "the agent was killed too late to prove anything"
    again = hospital.agent()
    assert again.wait(120) == 0, hospital.logs()
    after = {path.name: path.stat().st_mtime_ns for path in hospital.files("incoming", "*.piece")}
    assert len(after) == len(sealed)
    assert {name: after[name] for name in before} == before  # nothing was sent twice
    assert hospital.house.ask("state")["study"] == "waiting"
    assert not list((hospital.folder / "spool").iterdir())


def test_worker_killed_in_the_middle_of_its_task_is_replaced(hospital: Hospital) -> None:
    worker = hospital.worker(SLOW)
    eventually(lambda: hospital.files("archive", "*.npy"), 180, f"the study is being opened\n{hospital.logs()}")
    worker.kill()
    worker.wait()
    assert len(hospital.files("archive", "*.npy")) < SLICES, "the worker was killed too late to prove anything"
    worker = hospital.worker(SLOW)
    eventually(lambda: hospital.files("archive", "*.px"), 200, f"reconstructions are being stored\n{hospital.logs()}")
    worker.kill()
    worker.wait()
    assert hospital.house.ask("state")["images"] == 0
    hospital.worker()

    def ready() -> dict[str, object] | None:
        state: dict[str, object] = hospital.house.ask("state")
        return state if state["study"] == "ready" else None

    state = eventually(ready, 200, "the study is ready")
    assert state == {"study": "ready", "jobs": {"open": ["done", 2], "reconstruct": ["done", 2]}, "images": 2 * SLICES}
    assert not hospital.files("incoming", "*.piece")
