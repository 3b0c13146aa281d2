"""A whole ward, started as a user starts it: `manage.py demo` in a folder, database and broker of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.brokers import claim_redis
from twin.launcher import die_with_parent

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
PATIENTS = 8 if "MEDTWIN_PICTURES" in os.environ else 3


@dataclass(frozen=True)
class RunningWard:
    """A ward that runs: where it answers, how to sign in, and its launcher."""

    url: str
    password: str
    home: Path
    environment: dict[str, str]
    process: subprocess.Popen[str]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(condition: Callable[[], object], timeout_s: float, what: str) -> object:
    """Return the first true answer of `condition`; fail with `what` when none came in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.1)
    pytest.fail(f"not within {timeout_s:.0f} s: {what}")


def _fresh_database(name: str) -> str:
    """Create an empty database beside the one that this process tests in and return its URL."""
    import psycopg

    base, tested = os.environ["TELEMETRY_URL"].rsplit("/", 1)
    own = f"{tested}_{name}"
    with psycopg.connect(f"{base}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {own} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {own}")
    return f"{base}/{own}"


def isolated_environment(home: Path, name: str) -> dict[str, str]:
    """Return an environment whose data folder, database and broker nobody else uses.

    `name` tells apart what runs at the same time in one test process: its database and Redis number are made empty.
    """
    kept = {key: value for key, value in os.environ.items() if key not in {"DJANGO_SETTINGS_MODULE", "TELEMETRY_URL"}}
    kept |= {"MEDTWIN_HOME": str(home), "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "default"}
    if os.environ.get("DATABASE_URL"):
        kept["DATABASE_URL"] = _fresh_database(name)
        kept["REDIS_URL"] = claim_redis(os.environ["REDIS_URL"], name)
    return kept


@pytest.fixture(scope="session")
def running_ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWard]:
    """`manage.py demo` with a few patients, stopped by the same signal that Ctrl-C sends."""
    home = tmp_path_factory.mktemp("ward")
    environment = isolated_environment(home, "ward")
    port = free_port()
    command = [sys.executable, str(ROOT / "manage.py"), "demo", "--port", str(port), "--patients", str(PATIENTS)]
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=die_with_parent,  # a test run that is killed must not leave a ward behind
    )
    password = ""
    try:
        assert process.stdout
        printed = []
        for line in process.stdout:
            printed.append(line)
            if found := re.search(r"the password\s+(\S+)", line):
                password = found.group(1)
            if "Ctrl-C" in line:
                break
        assert password, "".join(printed)
        yield RunningWard(f"http://127.0.0.1:{port}", password, home, environment, process)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """A headless Chromium; the test skips with the reason where none is installed."""
    if not Path(CHROMIUM).exists():
        pytest.skip("Chromium is not installed (Debian, Ubuntu: apt install chromium)")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()
