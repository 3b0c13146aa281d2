"""kill -9 of the worker that reads the rules: before and after a commit, every violation is found exactly once."""

from __future__ import annotations

import pytest

from tests.compliance.rulebook.kill_helper import RECORDS
from tests.forks import KILLED, Forks
from tests.system.conftest import isolated_environment

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]


def test_a_worker_killed_around_its_commit_finds_every_violation_once(tmp_path) -> None:
    environment = isolated_environment(tmp_path / "home", "rules")
    with Forks("tests.compliance.rulebook.kill_helper", environment, tmp_path / "log") as house:
        house.do("prepare")
        for batches, moment in ((3, "before"), (4, "after"), (9, "before")):
            assert house.begin("read", batches, moment).end() == KILLED
        house.do("read", 1_000_000, "after")
        found = house.ask("found")
    assert len(found["stored"]) > RECORDS
    assert found["stored"] == found["replayed"]
    assert min(found["read"]) > RECORDS
