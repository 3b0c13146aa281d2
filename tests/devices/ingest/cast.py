"""A gateway as the tests play it: it signs, seals and listens, and can also be made to lie."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field

from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from compliance.models import Event
from devices.consumers import gateway_socket
from devices.kinds.registry import by_key
from devices.protocol.frames import FrameKind, Header, deflate, encode_readings, encode_waveform, join_frames
from devices.protocol.hello import make_hello
from devices.protocol.suites import Suite, SuiteCiphers
from tests.patience import PATIENCE_S

CIPHERS = SuiteCiphers()


@dataclass
class ToyDevice:
    """A registered device with its key; counts sequence and frame counter itself."""

    id: int
    key: bytes
    epoch: int = 1
    suite: Suite = Suite.ASCON_AEAD128
    deflate: bool = False
    seq: int = 0
    counter: int = 0

    def header(self, kind=FrameKind.READINGS, *, counter=None, epoch=None, device=None) -> Header:
        self.counter += 1
        return Header(
            kind,
            self.id if device is None else device,
            epoch or self.epoch,
            self.counter if counter is None else counter,
            self.suite,
            self.deflate and kind is FrameKind.READINGS,
        )

    def seal(self, payload: bytes, header: Header | None = None, key: bytes | None = None) -> bytes:
        header = header or self.header()
        cipher = CIPHERS.of(header.suite)
        payload = deflate(payload) if header.deflated else payload
        return header.raw + cipher.seal(key or self.key, header.nonce, header.raw, payload)

    def frame(self, *readings: tuple[str | int, float, float], seq: int | None = None, **header) -> bytes:
        """Seal readings of (metric key or code, time, value)."""
        base = self.seq + 1 if seq is None else seq
        self.seq = max(self.seq, base + len(readings) - 1)
        codes = [key if isinstance(key, int) else by_key(key).code for key, _, _ in readings]
        payload = encode_readings(base, codes, [t for _, t, _ in readings], [value for _, _, value in readings])
        return self.seal(payload, self.header(**header))

    def waveform(self, key: str, t0: float, samples, scale: float = 0.005) -> bytes:
        self.seq += 1
        payload = encode_waveform(self.seq, by_key(key).code, t0, 0.004, scale, samples)
        return self.seal(payload, self.header(FrameKind.WAVEFORM))


@dataclass
class ToyGateway:
    """A registered gateway and its socket."""

    id: int
    key: Ed25519PrivateKey
    socket: WebsocketCommunicator | None = None
    acked: list = field(default_factory=list)

    async def open(self) -> dict:
        self.socket = WebsocketCommunicator(gateway_socket, "/ws/gateway/")
        connected, _ = await self.socket.connect()
        assert connected
        return await self.hear()

    async def connect(self) -> ToyGateway:
        challenge = await self.open()
        await self.socket.send_to(
            text_data=json.dumps(make_hello(challenge, gateway_id=self.id, software="toy", key=self.key))
        )
        assert (await self.hear())["type"] == "welcome"
        return self

    async def hear(self, timeout: float = PATIENCE_S) -> dict:
        return json.loads(await self.socket.receive_from(timeout=timeout))

    async def send(self, *frames: bytes) -> dict:
        """Send one message of frames and return the first answer."""
        await self.socket.send_to(bytes_data=join_frames(frames))
        return await self.hear()

    async def closed(self, timeout: float = PATIENCE_S) -> int:
        """Wait until the server closes; return the code."""
        while True:
            output = await self.socket.receive_output(timeout)
            if output["type"] == "websocket.close":
                return output["code"]


async def events(code: str, within_s: float = PATIENCE_S) -> list[Event]:
    """Wait for events with this code: they are written once a second."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = await database_sync_to_async(lambda: list(Event.objects.filter(code=code)))()
        if found:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"no event {code}")
