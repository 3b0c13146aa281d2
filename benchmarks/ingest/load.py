"""The load of `benchmarks.ingest`: many gateways in one process, sealed frames, at full speed or at a fixed pace.

`python -m benchmarks.ingest.load PLAN.json` plays a round for every line `FRAMES RATE` that it reads. Frames are sealed
and wrapped for the WebSocket beforehand, so that the process spends its time on sending and on hearing answers. It
speaks RFC 6455 by hand: a client library would cost more than the server.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import struct
import sys
import time
from collections import deque
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from devices.kinds.registry import by_key
from devices.protocol.ascon import best_backend
from devices.protocol.frames import FrameKind, Header, encode_readings, join_frames
from devices.protocol.hello import make_hello

READINGS = 20
CREDIT = 32
SETTLE_S = 0.5  # of a paced round is not counted
WINDOW = 4  # unanswered frames of each gateway at full speed
VALUES = {"heart_rate": 72.0, "spo2": 97.0, "respiration_rate": 14.0, "bp_systolic": 121.0, "temperature": 36.8}
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def wrap(payload: bytes, opcode: int) -> bytes:
    """Return one masked WebSocket frame (RFC 6455, section 5.2)."""
    size = len(payload)
    head = bytes([0x80 | opcode, 0x80 | (size if size < 126 else 126)])
    head += struct.pack(">H", size) if size >= 126 else b""
    mask = os.urandom(4)
    key = np.frombuffer((mask * (size // 4 + 1))[:size], np.uint8)
    return head + mask + (np.frombuffer(payload, np.uint8) ^ key).tobytes()


def sealed_frames(devices: list[dict[str, Any]], count: int, base: int) -> list[bytes]:
    """Return `count` messages of one sealed frame of 20 readings, the devices in turn. base: first seq and counter."""
    codes = [by_key(key).code for key in VALUES] * (READINGS // len(VALUES))
    values = list(VALUES.values()) * (READINGS // len(VALUES))
    now = time.time()
    headers, keys, payloads = [], [], []
    for number in range(count):
        device, turn = devices[number % len(devices)], number // len(devices)
        times = [now + turn * 0.004 + i // len(VALUES) * 0.001 for i in range(READINGS)]
        payloads.append(encode_readings(base + turn * READINGS, codes, times, values))
        headers.append(Header(FrameKind.READINGS, device["id"], 1, base + turn))
        keys.append(bytes.fromhex(device["key"]))
    raws = [header.raw for header in headers]
    sealed = best_backend().seal_batch(keys, [header.nonce for header in headers], raws, payloads)
    return [wrap(join_frames([raw + text]), BINARY) for raw, text in zip(raws, sealed, strict=True)]


class Gateway(asyncio.Protocol):
    """One connection. `waiting` holds what is to be sent; each answer to a frame sends the next one."""

    def __init__(self, plan: dict[str, Any], gateway: dict[str, Any]) -> None:
        self.plan, self.gateway, self.echo = plan, gateway, plan["path"] == "/echo/"
        self.waiting: deque[bytes] = deque()
        self.sent: deque[float] = deque()
        self.due: deque[float] = deque()
        self.delays: list[float] = []
        self.nacks = self.rate = 0
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer = b""
        self._upgraded = False

    def begin(self, messages: list[bytes], rate: int) -> None:
        """Start a round: forget the last one's figures and queue these messages."""
        self.waiting, self.rate = deque(messages), rate
        self.delays, self.nacks = [], 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self.transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET {self.plan['path']} HTTP/1.1\r\nHost: 127.0.0.1:{self.plan['port']}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Take whole frames out of the stream."""
        self._buffer += data
        if not self._upgraded:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head[:20]:
                self.connection_lost(ConnectionError(head[:80].decode()))
                return
            self._upgraded, self._buffer = True, rest
            if self.echo:
                self.ready.set_result(None)
        at = 0
        while len(self._buffer) - at >= 2:
            size, start = self._buffer[at + 1] & 127, at + 2
            if size >= 126:
                wide = 2 if size == 126 else 8
                size, start = int.from_bytes(self._buffer[start : start + wide], "big"), start + wide
            if len(self._buffer) < start + size:
                break
            self._heard(self._buffer[at] & 15, self._buffer[start : start + size])
            at = start + size
        self._buffer = self._buffer[at:]

    def _heard(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self.transport.write(wrap(payload, PONG))
        elif self.echo and opcode == BINARY:
            self._answered(1)
        elif opcode == TEXT:
            message = msgspec.json.decode(payload)
            if message["type"] == "ack":
                self._answered(len(message["frames"]))
            elif message["type"] == "nack":
                self.nacks += 1
                self._answered(1)
            elif message["type"] == "challenge":
                key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self.gateway["key"]))
                hello = make_hello(message, gateway_id=self.gateway["id"], software="bench", key=key)
                self.transport.write(wrap(json.dumps(hello).encode(), TEXT))
            elif message["type"] == "welcome":
                self.ready.set_result(None)

    def _answered(self, frames: int) -> None:
        now = time.perf_counter()
        for _ in range(frames):
            self.delays.append(now - self.sent.popleft())
        if self.rate:
            self.send_due()
        else:
            self.send(frames)
        if not self.waiting and not self.sent and not self.done.done():  # nothing is left, nothing unanswered
            self.done.set_result(None)

    def send(self, count: int) -> None:
        """Send the next messages."""
        now = time.perf_counter()
        messages = [self.waiting.popleft() for _ in range(min(count, len(self.waiting)))]
        self.sent.extend([now] * len(messages))
        if messages:
            self.transport.write(b"".join(messages))

    def send_due(self) -> None:
        """Send what is due and within the credit. Delays count from when a frame was due, not from when it left."""
        while self.due and len(self.sent) < CREDIT:
            self.sent.append(self.due.popleft())
            self.transport.write(self.waiting.popleft())

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits must not wait for ever."""
        for future in (self.ready, self.done):
            if not future.done():
                future.set_exception(ConnectionError(f"gateway {self.gateway['id']} lost its connection: {exc}"))


async def pace(gateways: list[Gateway], frames_per_s: float) -> None:
    """Send frames at an even rate, the gateways in turn, until none is left."""
    start, sent = time.perf_counter(), 0
    total = sum(len(gateway.waiting) for gateway in gateways)
    while sent < total:
        due = min(int((time.perf_counter() - start) * frames_per_s), total)
        for number in range(sent, due):
            gateway = gateways[number % len(gateways)]
            gateway.due.append(time.perf_counter())
            gateway.send_due()
        sent = due
        await asyncio.sleep(0.001)


def _same(gateway: Gateway) -> Gateway:
    return gateway


async def connect(plan: dict[str, Any]) -> list[Gateway]:
    """Open and greet every gateway's connection."""
    loop = asyncio.get_running_loop()
    gateways = [Gateway(plan, gateway) for gateway in plan["gateways"]]
    for start in range(0, len(gateways), 50):
        some = gateways[start : start + 50]
        await asyncio.gather(*(loop.create_connection(partial(_same, one), "127.0.0.1", plan["port"]) for one in some))
        await asyncio.gather(*(gateway.ready for gateway in some))
    return gateways


async def play(gateways: list[Gateway], rate: int) -> dict[str, float]:
    """Send everything that waits, at `rate` readings a second or (0) as fast as answers come; return the figures."""
    began = time.perf_counter()
    if rate:
        await pace(gateways, rate / READINGS)
    else:
        for gateway in gateways:
            gateway.send(WINDOW)
    await asyncio.gather(*(gateway.done for gateway in gateways))
    elapsed = time.perf_counter() - began
    skipped = int(SETTLE_S * rate / READINGS / len(gateways))  # the first frames of each: caches and clocks wake up
    delays = np.array([delay for gateway in gateways for delay in gateway.delays[skipped:]])
    readings = sum(len(gateway.delays) for gateway in gateways) * READINGS
    return {
        "readings": readings,
        "rate": readings / elapsed,
        "p50_ms": float(np.percentile(delays, 50) * 1000),
        "p99_ms": float(np.percentile(delays, 99) * 1000),
        "nacks": sum(gateway.nacks for gateway in gateways),
    }


async def run(plan: dict[str, Any]) -> None:
    """Connect, then play one round for every line `FRAMES RATE` on standard input."""
    loop = asyncio.get_running_loop()
    gateways = await connect(plan)
    print("connected", flush=True)
    base = plan["base"]
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        frames, rate = map(int, line.split())
        for gateway in gateways:
            gateway.begin(sealed_frames(gateway.gateway["devices"], frames, base), rate)
        base += frames * READINGS
        print("ready", flush=True)
        await loop.run_in_executor(None, sys.stdin.readline)  # the parent reads the server's clock first
        print(json.dumps(await play(gateways, rate)), flush=True)


if __name__ == "__main__":
    asyncio.run(run(json.loads(Path(sys.argv[1]).read_text())))
