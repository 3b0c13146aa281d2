"""A server's end of the gateway socket for tests: real sockets, real seals, and answers that a test decides on."""

from __future__ import annotations

import json
import os
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from devices.protocol.ascon import backend
from devices.protocol.decoding import decode_readings, decode_waveform
from devices.protocol.facts import Fact, decode_fact
from devices.protocol.frames import HEADER_BYTES, HEARD_VERSION, FrameKind, Header, inflate, parse_header, split_frames
from devices.protocol.heard import Run, split_heard
from devices.protocol.hello import check_hello

# Gets a header and how many connections there have been; answers "ack", "drop" (hang up), None (silence) or a nack.
Decide = Callable[[Header, int], str | dict[str, Any] | None]


class Ward:
    """What arrived: `seen` and `acked` hold (device, seq); `counters` every (device, counter) in order of arrival."""

    def __init__(self, keys: dict[int, bytes], public_key: bytes, decide: Decide, credit: int = 32) -> None:
        self.keys, self.public_key, self.decide, self.credit = keys, public_key, decide, credit
        self.seen: list[tuple[int, int]] = []
        self.acked: set[tuple[int, int]] = set()
        self.counters: list[tuple[int, int]] = []
        self.facts: list[Fact] = []
        self.heard: list[Run] = []
        self.frame_sizes: list[int] = []  # readings in each frame of readings
        self.connections = 0
        self.port = 0

    @asynccontextmanager
    async def open(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Ward]:
        async with serve(self._meet, host, self.port, ssl=tls) as server:
            self.port = server.sockets[0].getsockname()[1]
            yield self

    async def _meet(self, socket: ServerConnection) -> None:
        nonce = os.urandom(32)
        self.connections += 1
        try:
            await socket.send(json.dumps({"type": "challenge", "nonce": nonce.hex(), "server_time": time.time()}))
            check_hello(json.loads(await socket.recv()), nonce=nonce, public_key=self.public_key)
            await socket.send(json.dumps({"type": "welcome", "credit": self.credit, "server_time": time.time()}))
            async for message in socket:
                assert isinstance(message, bytes)
                for frame in split_frames(message):
                    await self._take(socket, frame)
        except ConnectionClosed:
            return

    async def _take(self, socket: ServerConnection, frame: bytes) -> None:
        header = parse_header(frame)
        assert header.epoch == 1
        payload = backend("python").open(
            self.keys[header.device], header.nonce, frame[:HEADER_BYTES], frame[HEADER_BYTES:]
        )
        self.counters.append((header.device, header.counter))
        payload = inflate(payload) if header.deflated else payload
        if header.version == HEARD_VERSION:
            runs, payload = split_heard(payload)
            self.heard += runs
        if header.kind is FrameKind.READINGS:
            rows = [(header.device, int(seq)) for seq in decode_readings(header.device, payload)["seq"]]
            self.frame_sizes.append(len(rows))
        elif header.kind is FrameKind.FACT:
            rows = []
            self.facts.append(decode_fact(header.device, payload).fact)
        else:
            rows = [(header.device, decode_waveform(header.device, payload).seq)]
        self.seen += rows
        answer = self.decide(header, self.connections)
        if answer == "drop":
            await socket.close()
        elif answer == "ack":
            self.acked.update(rows)
            await socket.send(json.dumps({"type": "ack", "frames": [[header.device, header.counter]]}))
        elif isinstance(answer, dict):
            about = {"type": "nack", "device": header.device, "counter": header.counter, "message": "no"}
            await socket.send(json.dumps(about | answer))
