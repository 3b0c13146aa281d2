"""kill -9 of the worker in the middle of an erasure: the next one finishes it, and no file says anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.forks import Forks
from tests.system.conftest import isolated_environment

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]
STEPS_BEFORE_THE_KILL = 9


def test_a_killed_worker_leaves_an_erasure_that_the_next_one_finishes(tmp_path: Path) -> None:
    environment = isolated_environment(tmp_path / "home", "erasure")
    home = Path(environment["MEDTWIN_HOME"])
    with Forks("tests.system.erasure_helper", environment, tmp_path / "log") as house:
        house.do("prepare")
        worker = house.begin("run", STEPS_BEFORE_THE_KILL)
        worker.answer()
        worker.kill()
        half = house.ask("state")
        house.do("finish")
        whole = house.ask("state")
    assert not half["finished"]
    assert half["done"] > 0
    assert half["looks"] > 0
    assert whole["finished"]
    assert (whole["looks"], whole["accounts"], whole["findings"]) == (0, 0, [])
    assert whole["removed"]["looks"] == 1200
    assert whole["removed"]["readings"] >= 1200
    needles = [b"kingfisher syndrome", b"xq-sign-in"]
    files = [path for path in home.rglob("*") if path.is_file()]
    assert "DATABASE_URL" in environment or any(path.name == "medtwin.sqlite3" for path in files)
    assert not [path.name for path in files if any(needle in path.read_bytes() for needle in needles)]
