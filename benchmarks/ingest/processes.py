"""The processes of the benchmark, a registry of its own, and a schema of its own where PostgreSQL is there."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from compliance.measuring import Absent

GATEWAYS, DEVICES_EACH = 100, 5
IDLE_GATEWAYS, TWINS = 1000, 10_000
DEFAULT_POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"
ROOT = Path(__file__).resolve().parents[2]


class Bench:
    """A registry in a folder of its own, and the processes of the benchmark."""

    def __init__(self, home: Path) -> None:
        self.home, self.phase = home, 0
        self.gateways: list[dict[str, Any]] = []
        self.idle: list[dict[str, Any]] = []
        self.twins: list[dict[str, Any]] = []

    def prepare(self) -> None:
        """Migrate and register; Django is set up in this process."""
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0, interactive=False)
        from compliance.models import Ward

        self.ward = Ward.objects.create(name="Bench")
        self.gateways = self._register("busy", GATEWAYS, DEVICES_EACH)
        self.idle = self._register("idle", IDLE_GATEWAYS, 0)

    def register_twins(self) -> None:
        """Register 10,000 patients with a monitor each, under ten gateways."""
        self.twins = self._register("twin", 10, TWINS // 10)

    def _register(self, name: str, count: int, devices_each: int) -> list[dict[str, Any]]:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from django.conf import settings

        from compliance.models import Patient
        from compliance.secretbox import SecretBox
        from devices.models import Device, Gateway

        box = SecretBox(settings.FIELD_KEY, "device-key")
        keys = [Ed25519PrivateKey.generate() for _ in range(count)]
        gateways = Gateway.objects.bulk_create(
            Gateway(name=f"{name}-{i}", ward=self.ward, public_key=key.public_key().public_bytes_raw())
            for i, key in enumerate(keys)
        )
        people = Patient.objects.bulk_create(
            Patient(
                medical_record_number=f"{name}-{i}",
                given_name="A",
                family_name="B",
                birth_date="1960-01-01",
                ward=self.ward,
            )
            for i in range(count * devices_each)
        )
        frame_keys = [os.urandom(16) for _ in people]
        devices = Device.objects.bulk_create(
            Device(
                serial=f"{name}-{i}",
                kind="vital_signs_monitor",
                label="Monitor",
                gateway=gateways[i // devices_each],
                patient=patient,
                key_sealed=box.seal(frame_keys[i]),
            )
            for i, patient in enumerate(people)
        )
        described = [{"id": d.pk, "key": frame_keys[i].hex()} for i, d in enumerate(devices)]
        return [
            {
                "id": gateway.pk,
                "key": keys[i].private_bytes_raw().hex(),
                "devices": described[i * devices_each : (i + 1) * devices_each],
            }
            for i, gateway in enumerate(gateways)
        ]

    @contextmanager
    def server(self, application: str, **environment: str) -> Iterator[Server]:
        """Run an application under Daphne until the block ends."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        endpoint = f"tcp:port={port}:interface=127.0.0.1:backlog=2048"
        command = [sys.executable, "-m", "twin.daphne", "-v", "0", "-e", endpoint, application]
        log = (self.home / "server.log").open("ab")
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=log, stderr=log)
        log.close()
        try:
            wait_for_port(port, process, self.home / "server.log")
            yield Server(self, process, port)
        finally:
            process.terminate()
            process.wait(20)


class Server:
    """A running server and what the operating system says of it."""

    def __init__(self, bench: Bench, process: subprocess.Popen[bytes], port: int) -> None:
        self.bench, self.process, self.port = bench, process, port

    def cpu_s(self) -> float:
        """Return the processor time used so far, s."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_kib(self) -> int:
        """Return the resident memory, KiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))

    @contextmanager
    def load(self, gateways: list[dict[str, Any]], path: str = "/ws/gateway/") -> Iterator[Load]:
        """Start the load's process and yield it once all its gateways are connected to `path`."""
        self.bench.phase += 1
        plan = {"port": self.port, "path": path, "gateways": gateways, "base": self.bench.phase * 10_000_000}
        written, log = self.bench.home / "plan.json", self.bench.home / "load.log"
        written.write_text(json.dumps(plan))
        command = [sys.executable, "-m", "benchmarks.ingest.load", str(written)]
        with log.open("w") as errors:
            process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        try:
            load = Load(self, process, log)
            load.expect("connected")
            yield load
        finally:
            process.kill()
            process.communicate()


class Load:
    """A running load; each `play` is one round."""

    def __init__(self, server: Server, process: subprocess.Popen[str], log: Path) -> None:
        self.server, self.process, self.log = server, process, log

    def say(self, line: str) -> None:
        """Send the load a line."""
        if self.process.stdin is not None:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()

    def hear(self) -> str:
        """Return the load's next line."""
        return self.process.stdout.readline().strip() if self.process.stdout is not None else ""

    def expect(self, line: str) -> None:
        """Raise Absent with the load's last words unless it says `line`."""
        if self.hear() != line:
            raise Absent(f"a load that runs: {self.log.read_text()[-400:]}")

    def play(self, frames: int, rate: int = 0) -> dict[str, float]:
        """Send `frames` frames from each gateway; return the round's figures and the server's processor time."""
        self.say(f"{frames} {rate}")
        self.expect("ready")
        before = self.server.cpu_s()
        self.say("go")
        figures: dict[str, float] = json.loads(self.hear() or "{}")
        if not figures:
            self.expect("figures")
        figures["cpu_us"] = (self.server.cpu_s() - before) / figures["readings"] * 1e6
        return figures


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers. Raises Absent with its last words when it does not."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise Absent(f"a server that starts: {log.read_text()[-400:]}")


@contextmanager
def postgres_schema() -> Iterator[str]:
    """Yield a URL whose tables go into a schema of their own. Raises Absent where PostgreSQL is not reachable."""
    import psycopg

    urls = (os.environ.get("BENCH_POSTGRES_URL"), os.environ.get("DATABASE_URL"), DEFAULT_POSTGRES)
    url = next(url for url in urls if url and url.startswith("postgres"))
    schema = f"bench_{os.getpid()}"
    try:
        database = psycopg.connect(url, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as error:
        raise Absent("PostgreSQL (BENCH_POSTGRES_URL)") from error
    with database:
        database.execute(f"create schema {schema}")
        try:
            yield f"{url}?options=-csearch_path%3D{schema}"
        finally:
            database.execute(f"drop schema {schema} cascade")
