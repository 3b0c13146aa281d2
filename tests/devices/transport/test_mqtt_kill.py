"""kill -9 of bridge, gateway and broker under load: nothing that was measured is lost, and nothing comes twice."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from devices.gateway.queue_file import read_depth
from devices.telemetry import open_store
from tests.devices.transport.conftest import MOSQUITTO
from tests.forks import Forks
from tests.patience import PATIENCE_S
from tests.system.conftest import ROOT, eventually, free_port, isolated_environment
from tests.system.kill_helper import PUMP_ALARM, RATE

pytestmark = [pytest.mark.mqtt, pytest.mark.process, pytest.mark.timeout(900)]
# After how many readings of the first pump what is killed; each comes back at once.
# One bridge is killed for good: the other has to take its gateway over.
KILLS = [(150, "bridge"), (300, "broker"), (450, "gateway"), (600, "bridge 2"), (650, "broker"), (800, "bridge")]
AT_LEAST = 1000


class Processes:
    """A broker of the test's own, since it will be killed, a bridge and a gateway."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self.environment = isolated_environment(folder, "mqtt_kill") | {"MQTT_URL": self.url}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.commands = {
            "broker": [MOSQUITTO, "-p", str(self.port)],
            "bridge": [sys.executable, "manage.py", "serve_mqtt"],
            "bridge 2": [sys.executable, "manage.py", "serve_mqtt"],
            "gateway": [sys.executable, "-m", "devices.gateway", "--config", str(folder / "gateway.json")],
        }

    def start(self, name: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                self.commands[name], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )

    def kill(self, name: str) -> None:
        self.running[name].send_signal(signal.SIGKILL)
        self.running[name].wait()

    def prepare(self) -> list[int]:
        """Register pumps and a gateway; return the pumps' ids."""
        with Forks("tests.system.kill_helper", self.environment, self.folder / "prepare.log") as house:
            house.do("prepare", str(self.folder), self.url)
        return [device["device_id"] for device in self.configure("tests.system.kill_helper:build")["devices"]]

    def configure(self, entry: str) -> dict[str, list[dict[str, int]]]:
        path = self.folder / "gateway.json"
        config = json.loads(path.read_text())
        config["plant"] = {"entry": entry, "options": {"start": time.time(), "spread_s": 60.0}}
        path.write_text(json.dumps(config))
        return config

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def seqs(self, device: int) -> list[int]:
        """Return the sequence numbers that the store has of a pump."""
        url = self.environment.get("DATABASE_URL") or f"sqlite:///{self.folder / 'telemetry.sqlite3'}"
        store = open_store(url)
        try:
            return sorted(row.seq for row in store.history([device], [PUMP_ALARM, RATE], 0, 1e12))
        finally:
            store.close()

    def logs(self) -> str:
        return "\n".join((self.folder / f"{name}.log").read_text()[-1500:] for name in self.running)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    yield made
    for process in made.running.values():
        process.kill()
        process.wait()


def test_killing_bridge_broker_and_gateway_loses_nothing(processes: Processes) -> None:
    pumps = processes.prepare()
    processes.start("broker")
    eventually(processes.listens, 10, "the broker listens")
    processes.start("bridge")
    processes.start("bridge 2")
    processes.start("gateway")
    for readings, name in KILLS:
        eventually(lambda least=readings: len(processes.seqs(pumps[0])) >= least, 240, f"{readings} readings")
        processes.kill(name)
        if name != "bridge 2":
            processes.start(name)
    eventually(lambda: len(processes.seqs(pumps[0])) >= AT_LEAST, 240, f"{AT_LEAST} readings")
    processes.kill("gateway")  # nothing new is made; what waits has to arrive all the same
    processes.configure("tests.devices.gateway.plants:build_silent")
    processes.start("gateway")
    queue = processes.folder / "queue.sqlite3"
    eventually(lambda: read_depth(queue, time.time(), 1 << 30).waiting == 0, 240, "the gateway's queue is empty")
    assert read_depth(queue, time.time(), 1 << 30).dead == 0, processes.logs()
    with closing(sqlite3.connect(queue)) as database:
        next_seqs = dict(database.execute("select id, next_seq from device"))
    for pump in pumps:
        seqs = processes.seqs(pump)
        assert seqs == list(range(seqs[0], next_seqs[pump]))
    processes.running["bridge"].send_signal(signal.SIGTERM)
    assert processes.running["bridge"].wait(PATIENCE_S) == 0, "the bridge ends cleanly when told to"
    assert "Traceback" not in (processes.folder / "bridge.log").read_text()
