"""One conversation with one peripheral: reading, writing, subscribing, and judging what comes."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from bumble.device import Connection
from bumble.gatt_client import CharacteristicProxy, ServiceProxy

from devices.bluetooth.central.awaiting import over_air
from devices.bluetooth.central.inbox import Inbox
from devices.bluetooth.central.notes import Notes
from devices.bluetooth.errors import (
    CrcWrong,
    MessageMalformed,
    OverAirRefused,
    PeripheralFloods,
    ProcedureFailed,
    ValueImpossible,
)
from devices.bluetooth.uuids import uuid
from devices.emulator.plant import Block, Sample
from devices.kinds.measurement import DeviceKind

A = TypeVar("A")
Clock = Callable[[], float]
AHEAD_S, BEHIND_S = 300.0, 30 * 86400.0  # what the server takes of a device's clock
MESSAGES_PER_S, MESSAGES_AT_ONCE = 60.0, 1000.0  # a monitor with its ECG sends six a second
MOST_RECORDS = 50_000
ANSWER_WITHIN_S = 30.0
RSSI_DBM = range(-127, 21)  # what a controller may say; 127 means that it does not know (Core 5.4, 4, E, 7.5.4)
MOST_SIGNALS = 600  # a device that waits to be connected to is heard several times a second


@dataclass
class Health:
    """How the gateway stands with one device. seen_at: s since the Unix epoch; rssi: dBm.

    connections, refused, wrong_crc: how often it was connected, and messages that were not believed, since the radio
    was opened. about: what its Device Information says. Written on the event loop, read in the collector's thread.
    """

    device_id: int
    connected: bool = False
    bonded: bool = False
    seen_at: float | None = None
    rssi: int | None = None
    battery: int | None = None
    connections: int = 0
    refused: int = 0
    wrong_crc: int = 0
    about: Mapping[str, str] = field(default_factory=dict)
    _signals: deque[int] = field(default_factory=lambda: deque(maxlen=MOST_SIGNALS))

    def heard(self, rssi: int) -> None:
        """Note how strongly it was heard, unless the controller does not know."""
        if rssi in RSSI_DBM:
            self.rssi = rssi
            self._signals.append(rssi)

    def take_signals(self) -> list[int]:
        """Return and forget how strongly it was heard since the last time, dBm."""
        return [self._signals.popleft() for _ in range(len(self._signals))]


class Talk:
    """A connection whose services are known."""

    def __init__(
        self, connection: Connection, health: Health, kind: DeviceKind, inbox: Inbox, notes: Notes, now: Clock
    ) -> None:
        self.connection, self.health, self.kind = connection, health, kind
        self.device_id, self.inbox, self.notes, self.now = health.device_id, inbox, notes, now
        self.broken: asyncio.Future[OverAirRefused] = asyncio.get_running_loop().create_future()
        self._keys = {measurement.key: measurement for measurement in kind.measurements}
        self._codes = {measurement.code: measurement for measurement in kind.measurements}
        self._services: dict[int, ServiceProxy] = {}
        self._tokens, self._token_at = MESSAGES_AT_ONCE, time.monotonic()
        self._records_left = 0

    async def discover(self) -> None:
        """Learn the services. Raises ProcedureFailed or LinkLost."""
        client = self.connection.gatt_client
        found = await over_air("discovery", client.discover_services())
        for described in self.kind.services:
            for service in found:
                if service.uuid == uuid(described.number):
                    await over_air("discovery", service.discover_characteristics())
                    self._services[described.number] = service

    def offers(self, service: int) -> bool:
        """Tell whether the peripheral has the service."""
        return service in self._services

    def find(self, service: int, number: int) -> CharacteristicProxy[bytes] | None:
        """Return a characteristic of a service."""
        found = self._services[service].get_characteristics_by_uuid(uuid(number))
        return found[0] if found else None

    def need(self, service: int, number: int) -> CharacteristicProxy[bytes]:
        """Return a characteristic that the service must have. Raises ProcedureFailed."""
        if (found := self.find(service, number)) is None:
            raise ProcedureFailed(f"the service {service:04x} lacks {number:04x}")
        return found

    async def read(self, service: int, number: int) -> bytes:
        """Return a value. Raises ProcedureFailed or LinkLost."""
        return bytes(await over_air(f"read {number:04x}", self.need(service, number).read_value()))

    async def subscribe(self, to: CharacteristicProxy[bytes], handle: Callable[[bytes], None]) -> None:
        """Let `handle` have every message; what it raises as OverAirRefused is noted and goes no further."""

        def received(value: bytes) -> None:
            if not self.broken.done() and self._within_bounds():
                try:
                    handle(bytes(value))
                except OverAirRefused as error:
                    self.refuse(error)

        await over_air("subscribe", self.connection.gatt_client.subscribe(to, received))

    def _within_bounds(self) -> bool:
        """Count a message. One too many ends the conversation: a gateway has other devices to hear."""
        self.health.seen_at = self.now()
        if self._records_left:
            self._records_left -= 1
            return True
        now = time.monotonic()
        self._tokens = min(MESSAGES_AT_ONCE, self._tokens + (now - self._token_at) * MESSAGES_PER_S) - 1.0
        self._token_at = now
        if self._tokens < 0:
            self.broken.set_result(PeripheralFloods(f"more than {MESSAGES_PER_S:.0f} messages a second"))
        return self._tokens >= 0

    def expect_records(self, expected: bool) -> None:
        """Allow the messages of a backlog, or no longer."""
        self._records_left = MOST_RECORDS if expected else 0

    def sample(self, key: str, value: float | None, t: float | None = None) -> list[Sample]:
        """Return a reading, or nothing where the device has no value now. t: its own time, None when it has none.

        Raises ValueImpossible.
        """
        if value is None:
            return []
        measurement = self._keys[key]
        if not measurement.permits(value):
            raise ValueImpossible(f"{key} {value} lies outside {measurement.low} to {measurement.high}")
        return [Sample(self.device_id, measurement.code, self._moment(t), value)]

    def coded(self, code: int, value: float, t: float) -> list[Sample]:
        """Return a reading that came with its metric code. Raises ValueImpossible or MessageMalformed."""
        measurement = self._codes.get(code)
        if measurement is None:
            raise MessageMalformed(f"a {self.kind.name} does not measure code {code}")
        return self.sample(measurement.key, value, t)

    def _moment(self, t: float | None) -> float:
        now = self.now()
        if t is not None and not now - BEHIND_S <= t <= now + AHEAD_S:
            raise ValueImpossible(f"the device's clock is {t - now:+.0f} s from the gateway's")
        return now if t is None else t

    def put(self, measured: Sequence[Sample | Block], marks: Mapping[str, int] | None = None) -> None:
        """Hand measurements on."""
        self.inbox.put(self.device_id, measured, marks)

    def believe(self, make: Callable[[], list[Sample]]) -> list[Sample]:
        """Return what `make` returns, or nothing and a note when it cannot be true."""
        try:
            return make()
        except OverAirRefused as error:
            self.refuse(error)
            return []

    def refuse(self, error: OverAirRefused) -> None:
        """Note that a message of the device was not believed."""
        self.health.refused += 1
        self.health.wrong_crc += isinstance(error, CrcWrong)
        self.notes.refused(self.device_id, error)


class ControlPoint(Generic[A]):
    """A characteristic that takes a request and indicates the answer."""

    def __init__(self, talk: Talk, point: CharacteristicProxy[bytes], decode: Callable[[bytes], A]) -> None:
        self._talk, self._point, self._decode = talk, point, decode
        self._waiting: asyncio.Future[A] | None = None
        self._turn = asyncio.Lock()
        self._heard = 0

    async def open(self) -> None:
        """Listen for answers."""
        await self._talk.subscribe(self._point, self._answered)

    def alive(self) -> None:
        """Note that records of a report still arrive: its answer may take as long as they do."""
        self._heard += 1

    async def ask(self, request: bytes) -> A:
        """Return the answer. Raises ProcedureFailed, LinkLost, or what `decode` raises."""
        async with self._turn:
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                write = self._point.write_value(request, with_response=True)
                await over_air("control point", write)
                while True:
                    heard = self._heard
                    done, _ = await asyncio.wait([self._waiting], timeout=ANSWER_WITHIN_S)
                    if done:
                        return self._waiting.result()
                    if heard == self._heard:
                        raise ProcedureFailed("a control point does not answer")
            finally:
                self._waiting = None

    def _answered(self, value: bytes) -> None:
        waiting = self._waiting
        if waiting is None or waiting.done():
            raise MessageMalformed("an answer that nobody asked for")
        try:
            waiting.set_result(self._decode(value))
        except OverAirRefused as error:
            waiting.set_exception(error)
