"""End to end over each transport: the production line and server, from a sealed frame's leaving to its proven ack.

Processes on loopback: the server of the transport (and a Mosquitto between), and the load here, 16 gateways that use
the lines of `devices.transport`. At full speed each keeps four frames of 20 readings unanswered; paced, each sends one
every 200 ms and the delay is that of an ack which says that the readings are durable.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.common.lines import coap_server, free_port, mqtt_server
from benchmarks.ingest.processes import ROOT, Bench, wait_for_port
from compliance.measuring import Report
from devices.energy.cost import SEAL_BYTES
from devices.kinds.registry import by_key
from devices.protocol.ascon import best_backend
from devices.protocol.frames import FrameKind, Header, encode_readings, join_frames
from devices.protocol.hello import make_hello
from devices.transport.dial import CoapKeys, dial

GATEWAYS, DEVICES_EACH, READINGS = 16, 2, 20
WINDOW = 4
FULL_S, PACED_S = 10.0, 10.0
QUICK_S = 3.0
PACE_S = 0.2
FRAME_BYTES = 18 + 12 * READINGS + SEAL_BYTES + 2  # payload, header and tag, and the length before it
WITHIN_S = 60.0
METRICS = ("heart_rate", "spo2", "respiration_rate", "temperature")
VALUES = (72.0, 97.0, 14.0, 36.8)


class House(Bench):
    """A small registry, and the servers."""

    def prepare(self) -> None:
        """Migrate and register; Django is set up in this process."""
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0, interactive=False)
        from compliance.models import Ward
        from devices.models import Gateway
        from devices.services.coap_secrets import renew_secret

        self.ward = Ward.objects.create(name="Bench")
        self.gateways = self._register("link", GATEWAYS, DEVICES_EACH)
        for gateway in self.gateways:
            gateway["secret"] = renew_secret(Gateway.objects.get(pk=gateway["id"])).hex()
            gateway["numbers"] = str(self.home / f"{gateway['id']}.numbers")

    @contextmanager
    def websocket(self) -> Iterator[str]:
        """Run Daphne; yield the address of its gateway socket."""
        with self.server("twin.asgi:application") as server:
            yield f"ws://127.0.0.1:{server.port}/ws/gateway/"

    def mqtt(self) -> AbstractContextManager[str]:
        """Run a Mosquitto and a bridge; yield the broker's address."""
        return mqtt_server(self.home, os.environ)

    def coap(self) -> AbstractContextManager[str]:
        """Run the CoAP server; yield its address."""
        return coap_server(self.home, os.environ)


class Load:
    """One gateway on its line. Every line begins its numbers anew, far behind those of the last."""

    def __init__(self, line: Any, gateway: dict[str, Any], base: int) -> None:
        self._line, self._gateway, self._next = line, gateway, base
        self._sent: dict[tuple[int, int], float] = {}
        self._room = asyncio.Semaphore(WINDOW)
        self.delays: list[float] = []

    async def greet(self) -> None:
        """Be let in."""
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self._gateway["key"]))
        said = json.loads(await self._line.recv())
        while said["type"] == "challenge":
            hello = make_hello(said, gateway_id=self._gateway["id"], software="bench", key=key)
            await self._line.send(json.dumps(hello))
            said = json.loads(await self._line.recv())
        if said["type"] != "welcome":
            raise ConnectionError(str(said))

    async def play(self, seconds: float, pace_s: float) -> None:
        """Send for so long and wait for what is open. pace_s: 0 for as fast as it goes."""
        self.delays.clear()
        listening = asyncio.create_task(self._listen())
        end = time.perf_counter() + seconds
        due = time.perf_counter() + float(np.random.default_rng(self._gateway["id"]).uniform(0, pace_s))
        try:
            while time.perf_counter() < end:
                if pace_s:
                    await asyncio.sleep(due - time.perf_counter())
                    due += pace_s
                await self._room.acquire()
                frame, name = self._frame()
                self._sent[name] = time.perf_counter()
                await self._line.send(join_frames([frame]))
            async with asyncio.timeout(WITHIN_S):
                while self._sent:
                    await asyncio.sleep(0.01)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self) -> None:
        while True:
            said = json.loads(await self._line.recv())
            if said["type"] != "ack":
                raise ConnectionError(str(said))
            for device, counter in said["frames"]:
                self.delays.append(time.perf_counter() - self._sent.pop((device, counter)))
                self._room.release()

    def _frame(self) -> tuple[bytes, tuple[int, int]]:
        device = self._gateway["devices"][self._next % DEVICES_EACH]
        number, self._next = self._next, self._next + 1
        codes = [by_key(key).code for key in METRICS] * (READINGS // len(METRICS))
        now = time.time()
        payload = encode_readings(
            number * READINGS, codes, [now + i * 1e-3 for i in range(READINGS)], VALUES * (READINGS // len(VALUES))
        )
        header = Header(FrameKind.READINGS, device["id"], 1, number)
        sealed = best_backend().seal(bytes.fromhex(device["key"]), header.nonce, header.raw, payload)
        return header.raw + sealed, (device["id"], number)


@asynccontextmanager
async def loads(url: str, gateways: list[dict[str, Any]], base: int) -> AsyncIterator[list[Load]]:
    """Open every gateway's line, trying again until the server is there."""
    async with AsyncExitStack() as stack:
        yield [await _open(stack, url, gateway, base) for gateway in gateways]


async def _open(stack: AsyncExitStack, url: str, gateway: dict[str, Any], base: int) -> Load:
    keys = {device["id"]: bytes.fromhex(device["key"]) for device in gateway["devices"]}
    coap = CoapKeys(bytes.fromhex(gateway["secret"]), Path(gateway["numbers"]))
    deadline = time.monotonic() + WITHIN_S
    while True:
        try:
            line = await stack.enter_async_context(dial(url, gateway_id=gateway["id"], keys=keys, tls=None, coap=coap))
            load = Load(line, gateway, base)
            async with asyncio.timeout(WITHIN_S):
                await load.greet()
        except OSError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
        else:
            return load


async def play(url: str, gateways: list[dict[str, Any]], base: int, seconds: float) -> dict[str, float]:
    """Return readings a second at full speed, and the delays of the paced round."""
    async with loads(url, gateways, base) as opened:
        await asyncio.gather(*(load.play(1.0, 0.0) for load in opened))  # compile, fill caches
        began = time.perf_counter()
        await asyncio.gather(*(load.play(seconds, 0.0) for load in opened))
        took = time.perf_counter() - began
        frames = sum(len(load.delays) for load in opened)
        await asyncio.gather(*(load.play(seconds, PACE_S) for load in opened))
        delays = np.concatenate([load.delays for load in opened]) * 1e3
    return _figures(frames, took, delays)


class Echoed:
    """One connection to a bare echo, with as much on its way as a line has."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self._reader, self._writer, self._number = reader, writer, number
        self.delays: list[float] = []

    async def play(self, seconds: float, pace_s: float) -> None:
        """Send for so long and wait for what is on its way. pace_s: 0 for as fast as it goes."""
        self.delays.clear()
        room, sent = asyncio.Semaphore(WINDOW), deque[float]()

        async def listen() -> None:
            while True:
                await self._reader.readexactly(FRAME_BYTES)
                self.delays.append(time.perf_counter() - sent.popleft())
                room.release()

        listening = asyncio.create_task(listen())
        end = time.perf_counter() + seconds
        due = time.perf_counter() + float(np.random.default_rng(self._number).uniform(0, pace_s))
        while time.perf_counter() < end:
            if pace_s:
                await asyncio.sleep(due - time.perf_counter())
                due += pace_s
            await room.acquire()
            sent.append(time.perf_counter())
            self._writer.write(bytes(FRAME_BYTES))
            await self._writer.drain()
        async with asyncio.timeout(WITHIN_S):
            while sent:
                await asyncio.sleep(0.01)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

    async def close(self) -> None:
        """End the connection."""
        self._writer.close()
        await self._writer.wait_closed()


async def play_echo(port: int, seconds: float) -> dict[str, float]:
    """Return what `play` does, of an echo that does nothing else."""
    opened = [Echoed(*await asyncio.open_connection("127.0.0.1", port), number) for number in range(GATEWAYS)]
    began = time.perf_counter()
    await asyncio.gather(*(echoed.play(seconds, 0.0) for echoed in opened))
    took = time.perf_counter() - began
    frames = sum(len(echoed.delays) for echoed in opened)
    await asyncio.gather(*(echoed.play(seconds, PACE_S) for echoed in opened))
    delays = np.concatenate([echoed.delays for echoed in opened]) * 1e3
    await asyncio.gather(*(echoed.close() for echoed in opened))
    return _figures(frames, took, delays)


def _figures(frames: int, took_s: float, delays_ms: Any) -> dict[str, float]:
    p50, p99 = (float(np.percentile(delays_ms, q)) for q in (50, 99))
    return {"readings_per_s": frames * READINGS / took_s, "paced_p50_ms": p50, "paced_p99_ms": p99}


@contextmanager
def _echo(home: Path) -> Iterator[int]:
    """Run a bare echo; yield its port."""
    port = free_port()
    with (home / "echo.log").open("ab") as log:
        command = [sys.executable, "-m", "benchmarks.link.echo", str(port)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        wait_for_port(port, process, home / "echo.log")
        yield port
    finally:
        process.terminate()
        process.wait(30)


def measure(report: Report) -> None:
    """Add every transport's figures to the report, and how they compare to a bare echo of the same run."""
    seconds = QUICK_S if report.quick else FULL_S
    with tempfile.TemporaryDirectory(prefix="medtwin-link-") as folder:
        os.environ |= {"MEDTWIN_HOME": folder, "DJANGO_SETTINGS_MODULE": "twin.settings", "MEDTWIN_LOG": "ERROR"}
        house = House(Path(folder))
        house.prepare()
        with _echo(house.home) as port:
            bare = asyncio.run(play_echo(port, seconds))
        for name, value in bare.items():
            report.figure(f"echo_{name}", round(value, 1))
        for turn, serve in enumerate((house.websocket, house.mqtt, house.coap)):
            with serve() as url:
                figures = asyncio.run(play(url, house.gateways, (turn + 1) * 10_000_000, seconds))
            for name, value in figures.items():
                report.figure(f"{serve.__name__}_{name}", round(value, 1))
            for name in ("readings_per_s", "paced_p99_ms"):
                report.figure(f"{serve.__name__}_{name}_to_echo", round(figures[name] / bare[name], 4))
    report.note(
        f"{GATEWAYS} gateways, frames of {READINGS} readings; full speed with {WINDOW} unanswered frames each, "
        f"paced with one each {PACE_S * 1e3:.0f} ms. SQLite unless DATABASE_URL names PostgreSQL. Load and servers "
        "share the machine's cores, and the load is written in Python: what is measured is the whole way. The echo "
        "takes frames of the same length over as many connections, opens no seal and stores nothing."
    )
