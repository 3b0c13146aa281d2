"""The gateway in an environment that holds the `gateway` extra and nothing else, built from the project itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.patience import eventually

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("twin", "imaging", "devices", "compliance")
# What a small computer must not need.
SERVER_ONLY = (
    "django",
    "torch",
    "dash",
    "scipy",
    "sklearn",
    "celery",
    "channels",
    "psycopg",
    "numba",
    "numpy",
    "pydicom",
)
PLANT = """
from devices.emulator.plant import Sample
from devices.kinds.registry import by_key

class One:
    def advance(self, t):
        return [Sample(7, by_key("heart_rate").code, t, 60.0)]

def build(devices, options):
    return One()
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of a fresh environment with the project's `gateway` extra."""
    place = tmp_path_factory.mktemp("alone")
    source = place / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "constraints.txt"):
        shutil.copy(ROOT / name, source)
    leave = shutil.ignore_patterns("__pycache__", "static", "*.pt", "*.npz")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=leave)
    python = place / "env" / "bin" / "python"
    # The pip that is here, working there: giving the environment its own takes longer than all the rest.
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    bare = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    for command in (
        [sys.executable, "-m", "venv", "--without-pip", str(place / "env")],
        [*pip, "install", "-q", "--no-compile", "-c", "constraints.txt", ".[gateway]"],
    ):
        done = subprocess.run(command, cwd=source, env=bare, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
    shutil.rmtree(source)  # what runs is what was installed
    return python


@pytest.mark.process
@pytest.mark.timeout(400)
def test_gateway_starts_with_the_gateway_extra_alone(alone: Path, write_config: Callable[..., Path]) -> None:
    config = write_config(entry="one_heart:build", interval_s=0.05, page={"port": 0})
    (config.parent / "one_heart.py").write_text(PLANT)
    log = config.with_name("gateway.log")
    with log.open("w") as out:
        process = subprocess.Popen(
            [str(alone), "-m", "devices.gateway", "--config", str(config)],
            cwd=config.parent,  # the project's own folder is nowhere on the path
            env={"PATH": os.environ["PATH"], "HOME": str(config.parent)},
            stderr=out,
        )
    try:
        eventually(lambda: "event=page_served" in log.read_text() or process.poll() is not None, 60, "a page")
        assert process.poll() is None, log.read_text()
        port = int(log.read_text().partition("port=")[2].split()[0])
        url = f"http://127.0.0.1:{port}/status.json"
        eventually(lambda: waiting(url) > 3, 60, "readings on the disk")
    finally:
        process.terminate()
    assert process.wait(60) == 0, log.read_text()


def waiting(url: str) -> int:
    with urllib.request.urlopen(url) as answer:
        return sum(row["waiting"] for row in json.load(answer)["queue"])


@pytest.mark.process
def test_that_environment_holds_none_of_the_servers_packages(alone: Path) -> None:
    code = "import importlib.util as u, json, sys; print(json.dumps([n for n in sys.argv[1:] if u.find_spec(n)]))"
    found = subprocess.run([str(alone), "-c", code, *SERVER_ONLY], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == []
