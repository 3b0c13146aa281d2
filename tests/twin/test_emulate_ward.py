"""The command: what it refuses, and that no process outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from devices.models import Gateway
from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]


def test_preparing_starts_nothing_and_says_what_is_there(db, capsys, settings, tmp_path):
    settings.HOME = tmp_path
    call_command("emulate_ward", "--patients", "3", "--gateways", "2", "--prepare-only")
    assert "3 emulated patients behind 2 gateways" in capsys.readouterr().out
    assert Gateway.objects.count() == 2
    assert len(list(tmp_path.glob("gateways/*/config.json"))) == 2


@pytest.mark.parametrize("wrong", [["--patients", "0"], ["--patients", "2", "--gateways", "3"], ["--gateways", "0"]])
def test_impossible_wards_are_refused(db, wrong):
    with pytest.raises(CommandError, match="at least one patient"):
        call_command("emulate_ward", *wrong)


def test_emulated_patients_stay_out_of_a_real_ward(db, settings):
    settings.DEMO = False
    with pytest.raises(CommandError, match="not a demonstration"):
        call_command("emulate_ward")


def _gateways(home: Path) -> list[int]:
    """Return the processes whose command line names a configuration under `home`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes()
        except OSError:
            continue  # it ended while we looked
        if b"devices.gateway" in line and str(home).encode() in line:
            found.append(int(entry.parent.name))
    return found


def _until(condition) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_gateways_are_started_revived_and_stopped(tmp_path):
    environment = {
        **os.environ,
        "MEDTWIN_HOME": str(tmp_path),
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "TELEMETRY_URL": "",
    }
    manage = [sys.executable, str(ROOT / "manage.py")]
    subprocess.run([*manage, "migrate", "--verbosity", "0"], env=environment, check=True, cwd=ROOT)
    command = [
        *manage,
        "emulate_ward",
        "--patients",
        "2",
        "--gateways",
        "2",
        "--server",
        "ws://127.0.0.1:9/ws/gateway/",
    ]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL) as ward:
        try:
            assert _until(lambda: len(_gateways(tmp_path)) == 2)
            killed = _gateways(tmp_path)[0]
            os.kill(killed, signal.SIGKILL)
            assert _until(lambda: len(_gateways(tmp_path)) == 2 and killed not in _gateways(tmp_path))
            ward.send_signal(signal.SIGTERM)
            assert ward.wait(PATIENCE_S) == 0
        finally:
            ward.kill()
    assert _until(lambda: not _gateways(tmp_path))
