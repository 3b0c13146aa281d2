"""kill -9 of the web process and of the gateway, again and again under load: nothing acknowledged is lost, nothing
comes twice, every alarm that reached the store raised its alert, and every reading has the frame that proves it."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import pytest

from devices.gateway.queue_file import read_depth
from devices.telemetry import open_store
from tests.forks import Forks
from tests.system.conftest import ROOT, eventually, free_port, isolated_environment
from tests.system.kill_helper import ALARMS, PUMP_ALARM, RATE, STEP_S, alarm_at

pytestmark = [pytest.mark.process, pytest.mark.timeout(900)]
RUN_S = 32.0  # over which the alarms are spread
KILLS = ["web", "gateway", "web", "gateway", "web", "both", "web"]
MORE = 80  # readings of a pump that arrive between two kills: whatever was killed is back at work


class Bench:
    """The two processes under test."""

    house: Forks

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.environment = isolated_environment(folder, "kill") | {"MEDTWIN_SEAL_S": "1"}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.commands = {
            "web": ["-m", "twin.daphne", "-e", f"tcp:port={self.port}:interface=127.0.0.1", "twin.asgi:application"],
            "gateway": ["-m", "devices.gateway", "--config", str(folder / "gateway.json")],
        }

    def newest(self, device: int) -> int:
        """Return the newest sequence number that the store has of a device."""
        store = open_store(self.telemetry_url())
        try:
            return max((row.seq for row in store.latest([device])), default=0)
        finally:
            store.close()

    def start(self, name: str) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        command = [sys.executable, *self.commands[name]]
        self.running[name] = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        log.close()

    def kill(self, name: str) -> None:
        self.running[name].send_signal(signal.SIGKILL)
        self.running[name].wait()

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def telemetry_url(self) -> str:
        return self.environment.get("DATABASE_URL") or f"sqlite:///{self.folder / 'telemetry.sqlite3'}"


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    with Forks("tests.system.kill_helper", made.environment, tmp_path / "house.log") as made.house:
        yield made
    for process in made.running.values():
        process.kill()
        process.wait()


def test_killing_web_and_gateway_under_load_loses_nothing(bench: Bench) -> None:
    bench.house.do("prepare", str(bench.folder), f"ws://127.0.0.1:{bench.port}/ws/gateway/")
    bench.start("web")
    eventually(bench.listens, 60, "the web process listens")
    start = time.time() + 1
    config = json.loads((bench.folder / "gateway.json").read_text())
    config["plant"] = {
        "entry": "tests.system.kill_helper:build",
        "options": {"start": start, "spread_s": RUN_S},
    }
    (bench.folder / "gateway.json").write_text(json.dumps(config))
    bench.start("gateway")
    devices = [device["device_id"] for device in config["devices"]]
    for what in KILLS:
        before = bench.newest(devices[0])
        eventually(lambda before=before: bench.newest(devices[0]) >= before + MORE, 240, "more readings arrive")
        for name in ("web", "gateway") if what == "both" else (what,):
            bench.kill(name)
            bench.start(name)
    eventually(lambda: time.time() > start + RUN_S + 1, 60, "the last alarm was shown")
    bench.kill("gateway")  # nothing new is made; what waits has to arrive all the same
    config["plant"] = {"entry": "tests.devices.gateway.plants:build_silent"}
    (bench.folder / "gateway.json").write_text(json.dumps(config))
    bench.start("gateway")
    queue = bench.folder / "queue.sqlite3"
    eventually(lambda: read_depth(queue, time.time(), 1 << 30).waiting == 0, 90, "the gateway's queue is empty")
    assert read_depth(queue, time.time(), 1 << 30).dead == 0
    check_readings(bench, devices, start)
    check_alerts(bench, devices, start)
    check_frames(bench)


def check_readings(bench: Bench, devices: list[int], start: float) -> None:
    """Every sequence number that the gateway ever gave out is in the store once, with the value it was made with."""
    with closing(sqlite3.connect(bench.folder / "queue.sqlite3")) as queue:
        next_seqs = dict(queue.execute("select id, next_seq from device"))
    store = open_store(bench.telemetry_url())
    try:
        for device in devices:
            rows = sorted(store.history([device], [PUMP_ALARM, RATE], 0, 1e12), key=lambda row: row.seq)
            seqs = [row.seq for row in rows]
            assert len(seqs) > len(KILLS) * MORE
            assert seqs == list(range(seqs[0], next_seqs[device]))
            for row in rows:
                expected = (
                    alarm_at(device, row.t, start, RUN_S) if row.metric == PUMP_ALARM else round(row.t / STEP_S) % 1000
                )
                near = alarm_at(device, row.t + STEP_S / 2, start, RUN_S) if row.metric == PUMP_ALARM else expected
                assert row.value in {expected, near}  # times travel as whole milliseconds
    finally:
        store.close()


def check_alerts(bench: Bench, devices: list[int], start: float) -> None:
    """Every alarm of which the store has a reading has its alert, or, when it came too late, its record."""
    store = open_store(bench.telemetry_url())
    shown: dict[int, set[str]] = defaultdict(set)
    for row in store.history(devices, [PUMP_ALARM], start - 60, time.time() + 60):
        if row.value:
            shown[row.device].add(ALARMS[int(row.value)])
    store.close()
    told = bench.house.ask("alerts")
    known = {(device, rule) for device, rule in [*told["raised"], *told["late"]]}
    missing = {(device, rule) for device, rules in shown.items() for rule in rules} - known
    assert sum(map(len, shown.values())) >= len(devices) * len(ALARMS) / 2
    assert not missing


def check_frames(bench: Bench) -> None:
    """Every acknowledged reading has its frame; what no root covers is said to wait, and nothing pretends."""
    bench.kill("web")  # whatever it had not sealed yet stays unsealed
    found = bench.house.ask("frames")
    assert found["readings"] > 1000
    assert (found["without_frame"], found["wrong_roots"]) == ([], [])
    assert set(found["said_of_unsealed"]) <= {"waiting"}
    assert set(found["said_of_sealed"]) == {"holds"}
    assert found["seals"] >= len(KILLS) / 2
    bench.start("web")
    eventually(bench.listens, 60, "the web process listens again")
    eventually(lambda: sealed_again(bench), 30, "what was left over is sealed")
    found = bench.house.ask("frames")
    assert (found["without_frame"], found["wrong_roots"], found["said_of_unsealed"]) == ([], [], [])
    assert found["entries"] == found["seals"]  # each root is in the log once, however often it was killed


def sealed_again(bench: Bench) -> bool:
    store = open_store(bench.telemetry_url())
    try:
        return not store.unsealed_groups(1) and not store.unlogged_seals()
    finally:
        store.close()
