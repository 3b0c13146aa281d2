"""kill -9 of the worker that tells a subscriber, in the middle: everything arrives, in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compliance.fhir.receiver import Receiver
from tests.forks import Forks
from tests.system.conftest import eventually, isolated_environment
from tests.system.hook_helper import ALERTS

BEFORE_THE_KILL = 10  # notifications that the subscriber answers; in the next the worker is killed

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


def test_a_killed_worker_loses_no_notification(tmp_path: Path) -> None:
    environment = isolated_environment(tmp_path / "home", "hooks")
    environment |= {"DJANGO_SETTINGS_MODULE": "twin.settings", "FHIR_HOOK_HOSTS": "127.0.0.1", "MEDTWIN_DEMO": "yes"}

    with Receiver() as receiver, Forks("tests.system.hook_helper", environment, tmp_path / "log") as house:
        house.do("prepare", receiver.url)
        everything = house.ask("state")["alerts"]
        assert len(everything) == ALERTS
        receiver.answers_before_silence = BEFORE_THE_KILL
        worker = house.begin("work")
        eventually(lambda: len(receiver.requests) > BEFORE_THE_KILL, 60, "the worker waits for an answer")
        worker.kill()
        receiver.speak_again()
        house.do("expire")
        house.do("work")
        after = house.ask("state")
        told = receiver.told()
    assert list(dict.fromkeys(told)) == everything
    assert len(told) <= ALERTS + 1, "at most the one whose answer was missing comes twice"
    assert (after["states"], after["state"]) == (["sent"], "active")
