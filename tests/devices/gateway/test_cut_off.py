"""A gateway in a network namespace of its own, its cable pulled for an hour of the ward's time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# Root makes a network namespace directly; anybody else inside a user namespace, where that is allowed.
WAYS = (["unshare", "-n"], ["unshare", "-rn"])


def way_in() -> list[str]:
    """Return how this machine makes network namespaces; fail with what it said when it does not."""
    said = []
    for way in WAYS:
        tried = subprocess.run(
            [*way, "sh", "-c", "ip link add cable-a type veth peer name cable-b"],
            capture_output=True,
            text=True,
            check=False,
        )
        if tried.returncode == 0:
            return way
        said.append(f"{' '.join(way)}: {tried.stderr.strip()}")
    pytest.fail(
        "this machine allows no network namespace, neither to root nor in a user namespace; give the job CAP_NET_ADMIN "
        f"or set kernel.unprivileged_userns_clone=1. {'; '.join(said)}"
    )


@pytest.mark.process
@pytest.mark.timeout(400)
def test_an_hour_without_the_cable_loses_nothing_doubles_nothing_and_the_pump_is_stopped(tmp_path: Path) -> None:
    command = [*way_in(), sys.executable, "-m", "tests.devices.gateway.cut_off_helper", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    log = tmp_path / "gateway.log"
    assert done.returncode == 0, done.stderr[-2000:] + (log.read_text()[-2000:] if log.exists() else "")
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["hours_stored"] >= 1.0
    assert found["gained_while_cut"] == 0, "the cable was really pulled"
    assert found["waiting_when_plugged_in"] >= 60
    assert found["readings"] == found["expected"], "one glucose for every minute, none lost"
    assert found["doubled"] == 0
    acted = found["facts"][0]
    assert (acted["kind"], acted["cut_off"]) == ("acted", True)
    assert 0 < acted["at"] < 3600, "by its own time: in the hour without a server"
    assert [fact["kind"] for fact in found["facts"]][:2] == ["acted", "resumed"], "each once"
