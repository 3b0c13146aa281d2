"""The attackers of `benchmarks.security`, the same against both: `python -m benchmarks.security.attackers`.

Reads a plan (JSON, a line), attacks until it is killed, and says "attacking" once it has begun. Three of the lab's
attacks: what was recorded is sent again and changed, many connect and say nothing, many send a byte now and then.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import resource
import socket
import struct
import sys
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from benchmarks.security.pulse import FORGED_PER_MIN

HEADER_BYTES = 20
MESSAGE_FRAMES = 16
MESSAGES_PER_S = 8.0  # of each attacker: what is offered is the same, whoever takes it
TRIES_PER_S = 8.0  # of each that is not let in
TRICKLE_S = 1.0
SLOW = b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "
_READING = struct.Struct(">QdHIif")


def changed(frame: bytes, ahead: int, now: float) -> bytes:
    """Return a frame of one reading with a later number and time and another value; a seal does not survive that."""
    counter = int.from_bytes(frame[12:HEADER_BYTES]) + ahead
    _, _, count, metric, offset_ms, _ = _READING.unpack_from(frame, HEADER_BYTES)
    body = _READING.pack(counter, now, count, metric, offset_ms, FORGED_PER_MIN)
    return frame[:12] + counter.to_bytes(8) + body + frame[HEADER_BYTES + len(body) :]


async def replay(plan: dict[str, Any]) -> None:
    """Say recorded hellos again, and then recorded frames, as they are and changed, over and over."""
    await asyncio.gather(*(_replayer(plan["port"], hello, frames) for hello, frames in plan["recorded"]))


async def _replayer(port: int, hello: str, recorded: list[str]) -> None:
    frames = [bytes.fromhex(one) for one in recorded]
    numbers = count(1_000_000)  # a number that was used once is not believed twice, even where all else is
    while True:
        with contextlib.suppress(OSError, TimeoutError, WebSocketException):
            async with connect(
                f"ws://127.0.0.1:{port}/ws/gateway/", open_timeout=2, close_timeout=0.1, proxy=None
            ) as line:
                await line.recv()
                await line.send(hello)
                if json.loads(await line.recv())["type"] == "welcome":
                    await _send_again(line, frames, numbers)
        await asyncio.sleep(1.0 / TRIES_PER_S)


async def _send_again(line: ClientConnection, frames: list[bytes], numbers: Iterator[int]) -> None:
    while True:
        old = random.choices(frames, k=MESSAGE_FRAMES // 2)
        new = [changed(frame, next(numbers), round(time.time(), 3)) for frame in old]
        await line.send(b"".join(len(one).to_bytes(2) + one for one in (*old, *new)))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(line.recv(), 1.0 / MESSAGES_PER_S)
        await asyncio.sleep(1.0 / MESSAGES_PER_S)


async def crowd(plan: dict[str, Any], say: bytes = b"") -> None:
    """Connect, as many as there may be; who is shown out comes again. say: what each says, and then byte by byte."""
    held: list[socket.socket] = []
    spoken = time.monotonic()
    while True:
        held = [line for line in held if _is_open(line)]
        for _ in range(min(50, plan["strangers"] - len(held))):
            with contextlib.suppress(OSError):
                line = socket.create_connection(("127.0.0.1", plan["port"]), timeout=0.2)
                line.sendall(say)
                line.setblocking(False)
                held.append(line)
        if say and time.monotonic() > spoken + TRICKLE_S:
            spoken = time.monotonic()
            for line in held:
                with contextlib.suppress(OSError):
                    line.send(b"a")
        await asyncio.sleep(0.05)


def _is_open(line: socket.socket) -> bool:
    try:
        return bool(line.recv(4096))
    except BlockingIOError:
        return True
    except OSError:
        return False


async def attack(plan: dict[str, Any]) -> None:
    """Attack as planned until the process is killed."""
    random.seed(plan["seed"])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print("attacking", flush=True)
    if plan["attack"] == "replay":
        await replay(plan)
    await crowd(plan, SLOW if plan["attack"] == "trickle" else b"")


if __name__ == "__main__":
    asyncio.run(attack(json.loads(sys.stdin.readline())))
