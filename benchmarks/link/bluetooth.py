"""A gateway that hears 20 Bluetooth devices, each with a reading a second: its memory and its share of a core.

The devices are another process; between them stands bumble's HCI over TCP where a USB controller would be. The gateway
is the real one (`python -m devices.gateway`), with its disk queue: once with its server away, as on a bad day, and once
connected, so that it seals, sends and forgets what was acknowledged.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from compliance.measuring import Report

DEVICES = 20
RESIDENT_MB, CORE_PERCENT = 60.0, 15.0
READY_WITHIN_S = 180.0
AWAY_PORT = 9  # "discard": nobody listens there
KINDS = ("infusion_pump", "vital_signs_monitor")  # our log, and the adopted services


def address(number: int) -> str:
    """Return the static random address of a device."""
    return f"C0:00:00:00:00:{number:02X}"


def kind(number: int) -> str:
    """Return what a device is."""
    return KINDS[number % len(KINDS)]


def measure(report: Report) -> None:
    """Report memory and processor time of the gateway."""
    for connected in (False, True):
        with tempfile.TemporaryDirectory() as name:
            _measure_in(report, Path(name), connected)
    report.note(
        f"{DEVICES} Bluetooth devices with a reading a second each; bars {RESIDENT_MB:g} MB, {CORE_PERCENT:g} %."
    )


def _measure_in(report: Report, folder: Path, connected: bool) -> None:
    world = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.link.world", str(DEVICES)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert world.stdout is not None
        radio, server = map(int, world.stdout.readline().split())
        seconds = 10.0 if report.quick else 120.0
        _measure_gateway(report, folder, radio, server if connected else AWAY_PORT, seconds)
    finally:
        world.kill()
        world.wait()


def _measure_gateway(report: Report, folder: Path, radio: int, server: int, seconds: float) -> None:
    (folder / "gateway.key").write_text(os.urandom(32).hex())
    config = {
        "gateway_id": 3,
        "server": f"ws://127.0.0.1:{server}/ws/gateway/",
        "private_key_file": "gateway.key",
        "queue": "queue.sqlite3",
        "radio": f"tcp-client:127.0.0.1:{radio}",
        "devices": [
            {"device_id": n, "kind": kind(n), "key_hex": "07" * 16, "address": address(n)}
            for n in range(1, DEVICES + 1)
        ],
        "plant": {"entry": "", "options": {}},
    }
    (folder / "gateway.json").write_text(json.dumps(config))
    log = folder / "gateway.log"
    with log.open("w") as out:
        gateway = subprocess.Popen(
            [sys.executable, "-m", "devices.gateway", "--config", str(folder / "gateway.json")],
            stderr=out,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
    try:
        deadline = time.monotonic() + READY_WITHIN_S
        while log.read_text().count("event=ble_listening") < DEVICES:
            if time.monotonic() > deadline or gateway.poll() is not None:
                raise RuntimeError(f"the gateway does not hear its devices:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
        process = psutil.Process(gateway.pid)
        before, began = process.cpu_times(), time.monotonic()
        time.sleep(seconds)
        after, took = process.cpu_times(), time.monotonic() - began
        resident = process.memory_info().rss
    finally:
        gateway.terminate()
        gateway.wait()
    used = after.user + after.system - before.user - before.system
    resident_mb, core_percent = resident / 1e6, 100.0 * used / took
    name = "ble_gateway" if server == AWAY_PORT else "ble_gateway_connected"
    report.figure(f"{name}_resident_mb", resident_mb)
    report.figure(f"{name}_core_percent", core_percent)
    report.bar(f"{name}_memory_ratio", resident_mb / RESIDENT_MB, "<=", 1.0)
    report.bar(f"{name}_core_ratio", core_percent / CORE_PERCENT, "<=", 1.0)
