"""The gateway's side of a line: prove who it is, stay within the credit, forget only what was acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import time
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from devices.errors import GatewayRefused
from devices.gateway.queue import Batch, DiskQueue
from devices.protocol.ascon import AeadBackend
from devices.protocol.frames import Header, join_frames
from devices.protocol.hello import Ack, Challenge, Nack, Refused, Welcome, make_hello
from devices.protocol.messages import decode_message, message_type
from devices.transport.line import Line

log = logging.getLogger(__name__)

SOFTWARE = "medtwin-gateway/1"
GREETING_S = 10.0
ACK_WITHIN_S = 30.0  # a server that is silent for longer is taken for lost, and everything is sent again
LAST_ACKS_WITHIN_S = 2.0
MAX_CREDIT = 1024  # bounds memory, whatever a server offers
MAX_MESSAGE_BYTES = 64 * 1024
RETRY_FIRST_S, RETRY_MOST_S = 1.0, 60.0
CLOCK_TOLERANCE_S = 5.0
# Refused for its counter alone: under a new one the same readings are welcome.
RESENDABLE = {"frame_replayed"}


class DeviceSeal(NamedTuple):
    """What seals a device's frames."""

    key: bytes
    epoch: int


class Flight(NamedTuple):
    """A frame on its way: the batch it carries and when it left (monotonic clock)."""

    batch_id: int
    sent_at: float


class Session:
    """One connection, from the challenge to the close. A new connection starts again at the queue's oldest batch."""

    def __init__(
        self,
        line: Line,
        queue: DiskQueue,
        seals: dict[int, DeviceSeal],
        cipher: AeadBackend,
        wake: asyncio.Event,
        stop: asyncio.Event,
    ) -> None:
        self._line, self._queue, self._seals, self._cipher = line, queue, seals, cipher
        self._wake, self._stop = wake, stop
        self._flights: dict[tuple[int, int], Flight] = {}
        self._retries: list[tuple[float, int]] = []  # heap of (due, batch id)
        self._refusals: dict[int, int] = {}  # batch id -> how often it was put off
        self._last_id = 0
        self._credit = 0

    async def greet(self, gateway_id: int, key: Ed25519PrivateKey) -> None:
        """Answer the challenge. Raises GatewayRefused, TimeoutError, or FrameMalformed for no such answer."""
        async with asyncio.timeout(GREETING_S):
            answer = await self._answer(await self._line.recv(), gateway_id, key)
            while message_type(answer) == "challenge":  # the server began anew in the meantime
                answer = await self._answer(answer, gateway_id, key)
        if message_type(answer) == "refused":
            raise _refusal(answer)
        welcome = decode_message(answer, Welcome)
        self._credit = min(max(1, welcome["credit"]), MAX_CREDIT)
        offset_s = time.time() - welcome["server_time"]
        if abs(offset_s) > CLOCK_TOLERANCE_S:
            log.warning("event=clock_offset seconds=%.1f", offset_s)
        log.info("event=connected credit=%d", self._credit)

    async def _answer(self, challenge: str | bytes, gateway_id: int, key: Ed25519PrivateKey) -> str | bytes:
        hello = make_hello(decode_message(challenge, Challenge), gateway_id=gateway_id, software=SOFTWARE, key=key)
        await self._line.send(msgspec.json.encode(hello).decode())
        return await self._line.recv()

    async def run(self) -> None:
        """Send and listen until told to stop; a connection that ends raises what ended it in an ExceptionGroup."""
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._listen())
            await self._send_all()
            listening.cancel()

    async def _send_all(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            room = self._credit - len(self._flights)
            sent = await self._send_some(room) if room > 0 else 0
            if not sent:
                self._check_silence()
                await _wait(self._wake, min(1.0, self._until_retry()))
        deadline = time.monotonic() + LAST_ACKS_WITHIN_S
        while self._flights and time.monotonic() < deadline:
            self._wake.clear()
            await _wait(self._wake, 0.1)

    async def _send_some(self, room: int) -> int:
        batches = await asyncio.to_thread(self._next_batches, self._due(room), room)
        if not batches:
            return 0
        ours = await asyncio.to_thread(self._bury_strangers, batches)
        headers, frames = await asyncio.to_thread(self._seal, ours)
        now = time.monotonic()
        for batch, header in zip(ours, headers, strict=True):
            self._flights[header.device, header.counter] = Flight(batch.id, now)
        for message in _messages(frames):
            await self._line.send(message)
        return len(batches)

    def _due(self, room: int) -> list[int]:
        """Return the ids of batches that were put off until now."""
        due: list[int] = []
        while self._retries and self._retries[0][0] <= time.monotonic() and len(due) < room:
            due.append(heapq.heappop(self._retries)[1])
        return due

    def _next_batches(self, due: list[int], room: int) -> list[Batch]:
        found = self._queue.get(due)
        fresh = self._queue.after(self._last_id, room - len(found))
        self._last_id = fresh[-1].id if fresh else self._last_id
        return found + fresh

    def _bury_strangers(self, batches: list[Batch]) -> list[Batch]:
        """Return the batches whose devices are still in the configuration; the others wait among the dead letters."""
        for batch in batches:
            if batch.device not in self._seals:
                log.error("event=device_unknown device=%d", batch.device)
                self._queue.bury(batch.id, "device_not_configured", "The device was taken out of the configuration.")
        return [batch for batch in batches if batch.device in self._seals]

    def _seal(self, batches: list[Batch]) -> tuple[list[Header], list[bytes]]:
        seals = [self._seals[batch.device] for batch in batches]
        headers = [
            Header(batch.kind, batch.device, seal.epoch, self._queue.take_counter(batch.device))
            for batch, seal in zip(batches, seals, strict=True)
        ]
        raw = [header.raw for header in headers]
        sealed = self._cipher.seal_batch(
            [seal.key for seal in seals], [header.nonce for header in headers], raw, [b.payload for b in batches]
        )
        return headers, [head + body for head, body in zip(raw, sealed, strict=True)]

    async def _listen(self) -> None:
        while True:  # ends when the line does
            text = await self._line.recv()
            kind = message_type(text)
            if kind == "ack":
                await self._acked(decode_message(text, Ack))
            elif kind == "nack":
                await self._refused(decode_message(text, Nack))
            elif kind == "refused":
                raise _refusal(text)
            elif kind == "challenge":
                raise ConnectionResetError("the server began anew")
            else:
                log.warning("event=message_unknown type=%r", kind)
            self._wake.set()

    async def _acked(self, ack: Ack) -> None:
        landed = [self._flights.pop((device, counter), None) for device, counter in ack["frames"]]
        ids = [flight.batch_id for flight in landed if flight is not None]
        await asyncio.to_thread(self._queue.remove, ids)
        for batch_id in ids:
            self._refusals.pop(batch_id, None)

    async def _refused(self, nack: Nack) -> None:
        flight = self._flights.pop((nack["device"], nack["counter"]), None)
        if flight is None:
            return
        log.warning(
            "event=frame_refused device=%d code=%s permanent=%s", nack["device"], nack["code"], nack["permanent"]
        )
        if nack["permanent"] and nack["code"] not in RESENDABLE:
            self._refusals.pop(flight.batch_id, None)
            await asyncio.to_thread(self._queue.bury, flight.batch_id, nack["code"], nack["message"])
            return
        times = self._refusals[flight.batch_id] = self._refusals.get(flight.batch_id, 0) + 1
        delay_s = min(RETRY_MOST_S, RETRY_FIRST_S * 2.0 ** (times - 1))
        heapq.heappush(self._retries, (time.monotonic() + delay_s, flight.batch_id))

    def _until_retry(self) -> float:
        return max(0.0, self._retries[0][0] - time.monotonic()) if self._retries else RETRY_MOST_S

    def _check_silence(self) -> None:
        oldest = min((flight.sent_at for flight in self._flights.values()), default=None)
        if oldest is not None and time.monotonic() - oldest > ACK_WITHIN_S:
            raise TimeoutError(f"no acknowledgement within {ACK_WITHIN_S:.0f} s")


def _refusal(text: str | bytes) -> GatewayRefused:
    refused = decode_message(text, Refused)
    return GatewayRefused(f"{refused['code']}: {refused['message']}")


async def _wait(event: asyncio.Event, at_most_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(at_most_s):
            await event.wait()


def _messages(frames: list[bytes]) -> Iterator[bytes]:
    """Yield messages of a bounded size that together hold all frames in order."""
    gathered: list[bytes] = []
    size = 0
    for frame in frames:
        if gathered and size + len(frame) > MAX_MESSAGE_BYTES:
            yield join_frames(gathered)
            gathered, size = [], 0
        gathered.append(frame)
        size += len(frame) + 2
    if gathered:
        yield join_frames(gathered)
