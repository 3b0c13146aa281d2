"""Attacks by number: many connections, slow ones, and more frames than anybody can answer."""

from __future__ import annotations

import time
from unittest import mock

from channels.db import database_sync_to_async
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from devices import consumers
from devices.protocol.frames import join_frames
from devices.services.ingest import CREDIT
from devices.services.refusals import Refusals
from devices.waiting_room import WaitingRoom
from tests.lab.attack import Attack
from tests.lab.door import TrustingDoor
from tests.lab.house import House
from tests.lab.link import TrustingServer, body, sealed
from twin.impatience import GRACE_S, ImpatientChannel

MANY, FEW = 10_000, 8  # the house's own number is in its settings; benchmarks.crowd tries it with real sockets
PATIENT = 20_000


class Crowd(Attack):
    name = "ten thousand connect and say nothing"
    stopped_by = "who has not said hello waits in a room; when it is full, the one that was silent longest goes"
    event = "gateway_crowded_out"

    def there(self) -> str:
        door = TrustingDoor()
        for stranger in range(MANY):
            door.connect(stranger)
        return "" if door.connect(PATIENT) else f"{MANY:,} strangers are held, the pump's gateway is turned away"

    async def here(self, house: House) -> str:
        with mock.patch.object(consumers, "unproven", WaitingRoom(FEW)):
            strangers = [await self._stranger(house) for _ in range(3 * FEW)]
            await house.connect()
            answer = await house.send(house.rate(1.0, time.time()))
            for stranger in strangers:
                await stranger.disconnect()
        return "" if answer["type"] == "ack" else "the pump's gateway is turned away"

    @staticmethod
    async def _stranger(house: House):  # type: ignore[no-untyped-def]
        await house.neighbour.open()
        return house.neighbour.socket


class SlowLoris(Attack):
    name = "requests are sent a byte at a time"
    published = "R. Hansen, Slowloris, 2009"
    stopped_by = "a request has ten seconds, and one more for each 1,000 bytes of it that came"
    event = "connection_too_slow"

    def there(self) -> str:
        """A connection on which something comes is alive: a byte a minute is enough for ever."""
        door = TrustingDoor()
        held = [stranger for stranger in range(MANY) if door.connect(stranger)]
        return "" if door.connect(PATIENT) else f"{len(held):,} lines are held with a byte a minute each"

    async def here(self, house: House) -> str:
        clock, refusals, line = Clock(), Refusals(), StringTransport()
        channel = ImpatientChannel()
        channel.room, channel.leaving, channel.note = WaitingRoom(FEW), WaitingRoom(FEW), refusals.note
        channel.callLater, channel.seconds = clock.callLater, clock.seconds
        channel.makeConnection(line)
        for byte in b"GET / HTTP/1.1\r\nX-Slow: " + b"a" * 100:
            if line.disconnected:
                break
            channel.dataReceived(bytes([byte]))
            clock.advance(1.0)
        await database_sync_to_async(refusals.flush)()
        held_s = clock.seconds()
        return "" if held_s < GRACE_S + 2.0 else f"the line was held for {held_s:.0f} s"


class Flood(Attack):
    name = "frames are sent faster than anybody can answer"
    stopped_by = "credit: a gateway may have 32 frames on their way, and one more ends its connection"
    event = "gateway_credit_exceeded"

    def there(self) -> str:
        server = TrustingServer()
        for counter in range(MANY):
            server.hear(sealed(7, counter, body(counter, 0.0, 1.0)))
        return f"{server.taken:,} frames are in memory" if server.taken == MANY else ""

    async def here(self, house: House) -> str:
        before = time.time() - 1
        frames = [house.rate(1.0, before) for _ in range(CREDIT + 1)]
        await house.gateway.socket.send_to(bytes_data=join_frames(frames))
        return "" if await house.gateway.closed() == 4400 else "everything is queued"


CROWDS: tuple[Attack, ...] = (Crowd(), SlowLoris(), Flood())
