"""kill -9 of the HL7 sender and of its receiver in the middle: everything arrives, in order, under its first id."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.devices.hl7.conftest import Authority
from tests.forks import Call, Forks
from tests.patience import PATIENCE_S
from tests.system.conftest import ROOT, eventually, free_port, isolated_environment
from tests.system.hl7_helper import PATIENTS, ROUNDS

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


class Line:
    """A sender and a receiver as processes of their own, in a folder of their own."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.port = folder, free_port()
        self.environment = isolated_environment(folder / "home", "hl7") | {"DJANGO_SETTINGS_MODULE": "twin.settings"}
        authority = Authority(folder, "authority")
        self.files = [str(path) for path in authority.issue("receiver")]
        module = "tests.system.hl7_helper"
        self.house, self.hospital = (
            stack.enter_context(Forks(module, self.environment, folder / "log")) for _ in range(2)
        )
        self.stack = stack
        self.house.do("prepare", self.port, authority.pem)

    def receiver(self) -> Call:
        return self.hospital.begin("listen", self.port, *self.files, str(self.folder / "taken.log"))

    def sender(self) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "manage.py", "send_hl7"], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        self.stack.callback(child.wait)
        self.stack.callback(child.kill)
        return child

    def taken(self) -> list[str]:
        path = self.folder / "taken.log"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.split(":")[0] for line in lines if line.endswith("observations")]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with ExitStack() as stack:
        yield Line(tmp_path, stack)


def test_neither_a_killed_sender_nor_a_killed_receiver_loses_a_message(line: Line) -> None:
    everything = line.house.ask("state")["ids"]
    assert len(everything) == PATIENTS * ROUNDS
    receiver, sender = line.receiver(), line.sender()
    eventually(lambda: len(line.taken()) >= 10, 90, "messages arrive")
    sender.kill()
    sender.wait()
    assert len(set(line.taken())) < len(everything), "the sender was killed too late to prove anything"
    line.house.do("expire")
    sender, before = line.sender(), len(line.taken())
    eventually(lambda: len(line.taken()) >= before + 10, 90, "the next sender goes on")
    receiver.kill()
    assert len(set(line.taken())) < len(everything), "the receiver was killed too late to prove anything"
    line.receiver()
    eventually(lambda: set(line.taken()) == set(everything), 120, "everything arrived")
    sender.terminate()
    assert sender.wait(PATIENCE_S) == 0
    assert list(dict.fromkeys(line.taken())) == everything
    assert line.house.ask("state")["states"] == ["accepted"]
