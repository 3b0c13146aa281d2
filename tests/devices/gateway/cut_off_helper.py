"""Not a test: the two ends of a cable in namespaces of their own, and an hour of a ward without it.

Run inside a fresh network namespace as its root: `unshare -rn python -m tests.devices.gateway.cut_off_helper FOLDER`.
The server's end stays here; the gateway's process gets a namespace further in, joined by a veth pair: the
cable. Prints one line of JSON with what came of it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from websockets.asyncio.server import ServerConnection

from devices.gateway.queue_file import read_depth
from devices.kinds.registry import by_key
from devices.protocol.decoding import decode_readings
from devices.protocol.facts import ToldFact, decode_fact
from devices.protocol.frames import HEADER_BYTES, FrameKind, parse_header
from devices.protocol.heard import split_heard
from devices.protocol.suites import SuiteCiphers
from devices.telemetry import ReadingBatch
from devices.telemetry.sqlite import SqliteStore
from tests.devices.gateway.conftest import DEVICE_KEYS, KEY, PUBLIC
from tests.devices.gateway.server import Ward
from tests.patience import until

SPEED = 80.0
HOUR_S = 3600.0
BEGIN = 1_800_000_000.0
BEFORE_S, AFTER_S = 600.0, 600.0  # of the ward's time
LOW_AFTER_S = 3000.0  # into the outage: by then the gateway has noticed
CGM, PUMP = sorted(DEVICE_KEYS)
SERVER, GATEWAY = "10.213.7.1", "10.213.7.2"


class KeepingWard(Ward):
    """A server that commits to a real store before it answers; what it holds is what was stored."""

    def __init__(self, store: SqliteStore) -> None:
        super().__init__(DEVICE_KEYS, PUBLIC, lambda *_: "ack")
        self.store, self.came = store, 0
        self.told: dict[tuple[int, int], ToldFact] = {}

    async def _take(self, socket: ServerConnection, frame: bytes) -> None:
        header = parse_header(frame)
        cipher = SuiteCiphers(small=True).of(header.suite)
        payload = cipher.open(DEVICE_KEYS[header.device], header.nonce, frame[:HEADER_BYTES], frame[HEADER_BYTES:])
        if header.kind is FrameKind.FACT:
            told = decode_fact(header.device, payload)
            assert self.told.setdefault((header.device, told.seq), told) == told, "another fact under that number"
        else:
            rows = decode_readings(header.device, split_heard(payload)[1])
            self.came += len(rows)
            self.store.write(ReadingBatch(rows, received_at=time.time()))
        await socket.send(json.dumps({"type": "ack", "frames": [[header.device, header.counter]]}))


def sh(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def lay_cable(process: int) -> None:
    """Join this namespace with that of the process."""
    sh("ip", "link", "set", "lo", "up")
    sh("ip", "link", "add", "cable-s", "type", "veth", "peer", "name", "cable-g", "netns", str(process))
    sh("ip", "addr", "add", f"{SERVER}/24", "dev", "cable-s")
    sh("ip", "link", "set", "cable-s", "up")


def start_gateway(folder: Path) -> subprocess.Popen[bytes]:
    """Start the gateway in a namespace of its own; it waits for its end of the cable."""
    script = (
        "until ip link show cable-g >/dev/null 2>&1; do sleep 0.05; done; ip link set lo up;"
        f" ip addr add {GATEWAY}/24 dev cable-g; ip link set cable-g up;"
        f" exec {sys.executable} -m devices.gateway --config {folder / 'gateway.json'}"
    )
    log = (folder / "gateway.log").open("wb")
    return subprocess.Popen(["unshare", "-n", "sh", "-c", script], stderr=log)


def write_config(folder: Path, port: int) -> None:
    (folder / "gateway.key").write_text(KEY.private_bytes_raw().hex())
    devices = [
        {"device_id": CGM, "kind": "cgm", "key_hex": DEVICE_KEYS[CGM].hex()},
        {"device_id": PUMP, "kind": "insulin_pump", "key_hex": DEVICE_KEYS[PUMP].hex()},
    ]
    low = BEGIN + BEFORE_S + LOW_AFTER_S
    described = {
        "gateway_id": 3,
        "server": f"ws://{SERVER}:{port}/ws/gateway/",
        "private_key_file": "gateway.key",
        "queue": "queue.sqlite3",
        "devices": devices,
        "interval_s": 0.1,
        "plant": {
            "entry": "tests.devices.gateway.plants:build_night",
            "options": {"cgm": CGM, "pump": PUMP, "low_at": low},
            "speed": SPEED,
            "begin": BEGIN,
        },
        "edge": {"actuate": True, "pairs": [{"cgm": CGM, "pump": PUMP}]},
    }
    (folder / "gateway.json").write_text(json.dumps(described))


def glucose_times(store: SqliteStore) -> list[float]:
    return [reading.t for reading in store.history([CGM], [by_key("glucose").code], 0.0, BEGIN * 2)]


def newest(store: SqliteStore) -> float:
    return max(glucose_times(store), default=0.0)


async def outage(folder: Path) -> dict[str, Any]:
    """Let the gateway work, pull the cable for an hour of the ward's time, plug it in, and say what is stored."""
    store = SqliteStore(folder / "server.sqlite3")
    ward = KeepingWard(store)
    gateway = start_gateway(folder)
    try:
        return await _outage(folder, store, ward, gateway)
    finally:
        gateway.terminate()
        gateway.wait()


async def _outage(
    folder: Path, store: SqliteStore, ward: KeepingWard, gateway: subprocess.Popen[bytes]
) -> dict[str, Any]:
    lay_cable(gateway.pid)
    queue = folder / "queue.sqlite3"
    async with ward.open(host=SERVER):
        write_config(folder, ward.port)
        await until(lambda: newest(store) > BEGIN + BEFORE_S - 120.0)
        sh("ip", "link", "set", "cable-s", "down")
        await asyncio.sleep(0.5)  # what came before is taken
        cut, came = newest(store), ward.came
        await asyncio.sleep(HOUR_S / SPEED)
        gained = ward.came - came
        waiting = read_depth(queue, time.time(), 1 << 28).waiting
        sh("ip", "link", "set", "cable-s", "up")
        end = cut + HOUR_S + AFTER_S
        await until(lambda: newest(store) > end)
        await until(lambda: "resumed" in [told.fact.kind for told in ward.told.values()])
    times = np.array(glucose_times(store))
    times = times[times <= end]
    return {
        "cut_at": cut - BEGIN,
        "hours_stored": (times.max() - cut) / HOUR_S,
        "gained_while_cut": gained,
        "waiting_when_plugged_in": waiting,
        "readings": len(times),
        "expected": round((times.max() - times.min()) / 60.0) + 1,
        "doubled": len(times) - len(np.unique(times)),
        "connections": ward.connections,
        "sent_again": ward.came - len(store.since({CGM: 0, PUMP: 0}, 1_000_000)),
        "facts": [
            {"kind": told.fact.kind, "rule": told.fact.rule, "cut_off": told.fact.cut_off, "at": told.fact.t - cut}
            for told in sorted(ward.told.values(), key=lambda told: told.fact.t)
            if told.fact.rule == "severe_low"
        ],
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(outage(Path(sys.argv[1])))))
