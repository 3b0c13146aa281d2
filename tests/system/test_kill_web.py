"""kill -9 of the web process and of the gateway, again and again under load: nothing acknowledged is lost, nothing
comes twice, and every alarm that reached the store raised its alert."""

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

from devices.gateway.queue import read_depth
from devices.telemetry import open_store
from tests.system.conftest import ROOT, eventually, free_port, isolated_environment
from tests.system.kill_helper import ALARMS, PUMP_ALARM, RATE, STEP_S, alarm_at

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]
RUN_S = 24.0
# What is killed, and after how many seconds of the run.
KILLS = [(4.0, "web"), (7.0, "gateway"), (9.5, "web"), (12.0, "gateway"), (13.0, "web"), (17.0, "both"), (20.0, "web")]


class Bench:
    """The two processes under test."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.environment = isolated_environment(folder, "kill")
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.commands = {
            "web": ["-m", "daphne", "-e", f"tcp:port={self.port}:interface=127.0.0.1", "twin.asgi:application"],
            "gateway": ["-m", "devices.gateway", "--config", str(folder / "gateway.json")],
        }

    def helper(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "tests.system.kill_helper", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, check=True, capture_output=True, text=True
        ).stdout

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
    yield made
    for process in made.running.values():
        process.kill()
        process.wait()


def test_killing_web_and_gateway_under_load_loses_nothing(bench: Bench) -> None:
    bench.helper("prepare", str(bench.folder), f"ws://127.0.0.1:{bench.port}/ws/gateway/")
    bench.start("web")
    eventually(bench.listens, 60, "the web process listens")
    start = time.time() + 2
    config = json.loads((bench.folder / "gateway.json").read_text())
    config["plant"] = {
        "entry": "tests.system.kill_helper:build",
        "options": {"start": start, "spread_s": RUN_S},
    }
    (bench.folder / "gateway.json").write_text(json.dumps(config))
    bench.start("gateway")
    devices = [device["device_id"] for device in config["devices"]]
    for after_s, what in KILLS:
        time.sleep(max(0.0, start + after_s - time.time()))
        for name in ("web", "gateway") if what == "both" else (what,):
            bench.kill(name)
            bench.start(name)
    time.sleep(max(0.0, start + RUN_S + 1 - time.time()))
    bench.kill("gateway")  # nothing new is made; what waits has to arrive all the same
    config["plant"] = {"entry": "tests.devices.gateway.plants:build_silent"}
    (bench.folder / "gateway.json").write_text(json.dumps(config))
    bench.start("gateway")
    queue = bench.folder / "queue.sqlite3"
    eventually(lambda: read_depth(queue).waiting == 0, 90, "the gateway's queue is empty")
    assert read_depth(queue).dead == 0
    check_readings(bench, devices, start)
    check_alerts(bench, devices, start)


def check_readings(bench: Bench, devices: list[int], start: float) -> None:
    """Every sequence number that the gateway ever gave out is in the store once, with the value it was made with."""
    with closing(sqlite3.connect(bench.folder / "queue.sqlite3")) as queue:
        next_seqs = dict(queue.execute("select id, next_seq from device"))
    store = open_store(bench.telemetry_url())
    try:
        for device in devices:
            rows = sorted(store.history([device], [PUMP_ALARM, RATE], 0, 1e12), key=lambda row: row.seq)
            seqs = [row.seq for row in rows]
            assert len(seqs) > 2 * RUN_S / STEP_S / 3  # even with the gateway down for part of the time
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
    told = json.loads(bench.helper("alerts"))
    known = {(device, rule) for device, rule in [*told["raised"], *told["late"]]}
    missing = {(device, rule) for device, rules in shown.items() for rule in rules} - known
    assert sum(map(len, shown.values())) >= len(devices) * len(ALARMS) / 2
    assert not missing
