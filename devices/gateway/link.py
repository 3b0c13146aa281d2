"""The gateway's side of a line: prove who it is, stay within the credit, forget only what was acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import time
from collections.abc import Iterator
from typing import NamedTuple

from devices.errors import GatewayRefused
from devices.gateway.greeting import Greeter
from devices.gateway.pace import Pace
from devices.gateway.queue import Batch, DiskQueue
from devices.gateway.seal import DeviceSeal
from devices.gateway.turn import LineTurn
from devices.gateway.uplink import CALM, PRESSING, Turns, kept_of
from devices.kinds.registry import Urgency
from devices.protocol.frames import FrameKind, Header, deflate, join_frames
from devices.protocol.hello import Ack, Challenge, Nack, Refused
from devices.protocol.messages import decode_message, message_type
from devices.protocol.suites import SuiteCiphers
from devices.transport.line import Line

log = logging.getLogger(__name__)

GREETING_S = 10.0
ACK_WITHIN_S = 30.0  # a server that is silent for longer is taken for lost, and everything is sent again
LAST_ACKS_WITHIN_S = 2.0
MAX_CREDIT = 1024  # bounds memory, whatever a server offers
MAX_MESSAGE_BYTES = 64 * 1024
RETRY_FIRST_S, RETRY_MOST_S = 1.0, 60.0


class Flight(NamedTuple):
    """A frame on its way: the batch it carries and when it left (monotonic clock)."""

    batch_id: int
    sent_at: float
    urgency: Urgency


class Session:
    """One connection, from the challenge to the close. A new connection starts again at the queue's oldest batch."""

    def __init__(
        self,
        line: Line,
        queue: DiskQueue,
        greeter: Greeter,
        ciphers: SuiteCiphers,
        wake: asyncio.Event,
        stop: asyncio.Event,
        turn: LineTurn | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._line, self._queue, self._greeter, self._ciphers = line, queue, greeter, ciphers
        self._wake, self._stop, self._turn = wake, stop, turn or LineTurn(None)
        self._pace = pace or Pace(queue)
        self._flights: dict[tuple[int, int], Flight] = {}
        self._retries: list[tuple[float, int]] = []  # heap of (due, batch id)
        self._refusals: dict[int, int] = {}  # batch id -> how often it was put off
        self._last_ids = dict.fromkeys(Urgency, 0)  # the newest batch of each urgency that left in this session
        self._turns = Turns()
        self._credit = 0
        self.server_ahead_s = 0.0
        self._epoch_began = asyncio.Event()

    @property
    def _seals(self) -> dict[int, DeviceSeal]:
        return self._greeter.seals

    async def greet(self) -> None:
        """Answer the challenge. Raises GatewayRefused, TimeoutError, or FrameMalformed for no such answer."""
        async with asyncio.timeout(GREETING_S):
            answer = await self._answer(await self._line.recv())
            while message_type(answer) == "challenge":  # the server began anew in the meantime
                answer = await self._answer(answer)
        if message_type(answer) == "refused":
            raise _refusal(answer)
        self._credit = min(max(1, await asyncio.to_thread(self._greeter.welcome, answer)), MAX_CREDIT)
        self.server_ahead_s = self._greeter.server_ahead_s
        log.info("event=connected credit=%d", self._credit)

    async def _answer(self, challenge: str | bytes) -> str | bytes:
        await self._line.send(self._greeter.hello(decode_message(challenge, Challenge)))
        return await self._line.recv()

    async def run(self) -> None:
        """Send and listen until told to stop; a connection that ends raises what ended it in an ExceptionGroup."""
        try:
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(self._listen())
                await self._send_all()
                listening.cancel()
        finally:
            self._turn.release()  # without a line nobody has to wait for us

    async def _send_all(self) -> None:
        while not self._stop.is_set():
            if self._greeter.is_due():
                await self._go_on_under_new_keys()
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

    async def _go_on_under_new_keys(self) -> None:
        """Begin the next epoch once every frame of this one is answered. Raises TimeoutError; then a new line does."""
        while self._flights and not self._stop.is_set():
            self._wake.clear()
            self._check_silence()
            await _wait(self._wake, 1.0)
        if self._stop.is_set():
            return
        self._epoch_began.clear()
        async with asyncio.timeout(GREETING_S):
            await self._line.send(self._greeter.hello_again())
            await self._epoch_began.wait()

    async def _send_some(self, room: int) -> int:
        batches = await asyncio.to_thread(self._next_batches, self._due(room), room)
        if not batches:
            return 0
        ours = await asyncio.to_thread(self._bury_strangers, batches)
        headers, frames = await asyncio.to_thread(self._seal, ours)
        now = time.monotonic()
        for batch, header in zip(ours, headers, strict=True):
            self._flights[header.device, header.counter] = Flight(batch.id, now, batch.urgency)
        self._mark_turn()
        for message in _messages(frames):
            await self._line.send(message)
        return len(batches)

    def _mark_turn(self) -> None:
        """Keep bulk images of other programs off the line for as long as something urgent is on it."""
        if any(flight.urgency in PRESSING for flight in self._flights.values()):
            self._turn.take()
        else:
            self._turn.release()

    def _due(self, room: int) -> list[int]:
        """Return the ids of batches that were put off until now."""
        due: list[int] = []
        while self._retries and self._retries[0][0] <= time.monotonic() and len(due) < room:
            due.append(heapq.heappop(self._retries)[1])
        return due

    def _next_batches(self, due: list[int], room: int) -> list[Batch]:
        found = self._queue.get(due)
        room -= len(found)
        waiting = {urgency: self._queue.after(self._last_ids[urgency], room, urgency) for urgency in PRESSING}
        through = self._pace.release(any(waiting.values()))
        for urgency in CALM:
            waiting[urgency] = self._queue.after(self._last_ids[urgency], room, urgency, through)
        fresh = self._turns.pick(waiting, room, kept_of(self._credit))
        for batch in fresh:
            self._last_ids[batch.urgency] = batch.id
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
        plain = [batch.sealable for batch in batches]
        packed = [
            _packed(batch.kind, payload, self._deflates(seal))
            for batch, (_, payload), seal in zip(batches, plain, seals, strict=True)
        ]
        headers = [
            Header(
                batch.kind,
                batch.device,
                seal.epoch,
                self._queue.take_counter(batch.device),
                seal.suite,
                sealed is not payload,
                version,
            )
            for batch, seal, (version, payload), sealed in zip(batches, seals, plain, packed, strict=True)
        ]
        self._greeter.sealed(len(headers))
        raw = [header.raw for header in headers]
        sealed = self._ciphers.seal_batch(
            [seal.suite for seal in seals],
            [seal.key for seal in seals],
            [header.nonce for header in headers],
            raw,
            packed,
        )
        return headers, [head + body for head, body in zip(raw, sealed, strict=True)]

    def _deflates(self, seal: DeviceSeal) -> bool:
        return seal.deflate if self._pace.deflate is None else self._pace.deflate

    async def _listen(self) -> None:
        while True:  # ends when the line does
            text = await self._line.recv()
            kind = message_type(text)
            if kind == "ack":
                await self._acked(decode_message(text, Ack))
            elif kind == "nack":
                await self._refused(decode_message(text, Nack))
            elif kind == "welcome":
                await asyncio.to_thread(self._greeter.welcome, text)
                log.info("event=epoch_began")
                self._epoch_began.set()
            elif kind == "refused":
                raise _refusal(text)
            elif kind == "challenge":
                raise ConnectionResetError("the server began anew")
            else:
                log.warning("event=message_unknown type=%r", kind)
            self._mark_turn()
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
        if nack["permanent"] and nack["code"] not in self._greeter.resendable:
            self._refusals.pop(flight.batch_id, None)
            await asyncio.to_thread(self._queue.bury, flight.batch_id, nack["code"], nack["message"])
            return
        times = self._refusals[flight.batch_id] = self._refusals.get(flight.batch_id, 0) + 1
        delay_s = min(RETRY_MOST_S, RETRY_FIRST_S * 2.0 ** (times - 1))
        heapq.heappush(self._retries, (time.monotonic() + delay_s, flight.batch_id))

    def _until_retry(self) -> float:
        return max(0.0, self._retries[0][0] - time.monotonic()) if self._retries else RETRY_MOST_S

    @property
    def silent_s(self) -> float:
        """For how long the oldest frame on its way has had no answer, in s; 0 when none is on its way."""
        oldest = min((flight.sent_at for flight in list(self._flights.values())), default=None)
        return 0.0 if oldest is None else time.monotonic() - oldest

    def _check_silence(self) -> None:
        if self.silent_s > ACK_WITHIN_S:
            raise TimeoutError(f"no acknowledgement within {ACK_WITHIN_S:.0f} s")


def _packed(kind: FrameKind, payload: bytes, deflated: bool) -> bytes:
    """Return the payload, deflated where that was asked for and makes it shorter."""
    if not deflated or kind is not FrameKind.READINGS:
        return payload
    return min(payload, deflate(payload), key=len)


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
