"""The house as an attacker meets it: a gateway that was paired, an insulin pump behind it, and the wire between.

Everything is real but the gateway's radio; the wire is the gateway's socket, into which whoever broke the TLS around
it, a proxy or a broker, could write.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from channels.db import database_sync_to_async
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from devices.kinds.registry import by_key
from devices.models import Device, Gateway
from devices.pairing import gateway_side
from devices.protocol.hello import MutualHello
from devices.protocol.mutual import PREFERRED, Epoch
from devices.services import pairing
from devices.services.ingest import ingest
from devices.services.registry import register_device, register_gateway
from devices.services.telemetry import store
from tests.devices.ingest.cast import ToyDevice
from tests.devices.pairing.paired import PairedGateway
from tests.patience import until

SERVER = "https://house"


@dataclass
class Recorded:
    """What somebody heard who listened from the start: messages 1 and 3 of a pairing, and the newest hello."""

    offer: bytes = b""
    proof: bytes = b""
    hello: MutualHello | dict[str, Any] = field(default_factory=dict)


class HouseGateway(PairedGateway):
    """A paired gateway, overheard: by `recorded`."""

    recorded: Recorded

    @classmethod
    def pair(cls, row: Gateway) -> HouseGateway:
        address = pairing.begin_pairing(owner=row, server=SERVER).address
        run = gateway_side.Pairing(address, software="lab")
        offer = run.offer(time.time())
        proven = run.prove(pairing.answer(offer), time.time())
        paired = gateway_side.finish(proven, pairing.answer(proven.message), time.time())
        made = cls(row.pk, Ed25519PrivateKey.from_private_bytes(paired.identity), paired=paired)
        made.recorded = Recorded(offer, proven.message)
        return made

    async def greet(self, nonce: bytes) -> Epoch:
        """Say hello over a challenge and check the welcome."""
        greeting = self.greeting()
        self.recorded.hello = greeting.hello(nonce, now=time.time(), software="lab")
        await self.say(self.recorded.hello)
        self.epoch = greeting.check(await self.hear_welcome(), now=time.time())
        return self.epoch

    async def fresh_hello(self, suites: tuple[int, ...] = PREFERRED) -> MutualHello:
        """Return a hello over the challenge of a new connection, which is open now."""
        nonce = bytes.fromhex((await self.open())["nonce"])
        return self.greeting().hello(nonce, now=time.time(), software="lab", suites=suites)

    async def refused_as(self, hello: object) -> str:
        """Say a hello, or what became of one, and return the code of the refusal; "" for a welcome."""
        await self.say(hello)
        heard = json.loads(await self.socket.receive_from())
        return "" if heard["type"] == "welcome" else str(heard["code"])


class House:
    """One ward's gateway and pump, and a neighbour's gateway that is registered as well."""

    def __init__(self, gateway: HouseGateway, neighbour: HouseGateway, row: Gateway, pump: Device) -> None:
        self.gateway, self.neighbour, self.row, self._registered = gateway, neighbour, row, pump
        self.pump = ToyDevice(pump.pk, b"")

    @classmethod
    def build(cls, ward: Any, patient: Any) -> House:
        row, next_door = (register_gateway(name=name, ward=ward) for name in ("Room 4", "Room 5"))
        pump, _ = register_device(serial="P-1", kind="insulin_pump", label="Pump", gateway=row, patient=patient)
        gateways = HouseGateway.pair(row), HouseGateway.pair(next_door)
        row.refresh_from_db()
        return cls(*gateways, row, pump)

    async def connect(self) -> None:
        """Have the gateway connect: another epoch, with keys of its own."""
        await self.gateway.connect()
        seq = self.pump.seq
        self.pump = self.gateway.device(self._registered.pk)
        self.pump.seq = seq

    async def pair_anew(self) -> None:
        """Give the gateway another certificate, and wait until the writer knows of it."""
        self.gateway = await database_sync_to_async(HouseGateway.pair)(self.row)
        public_key = self.gateway.key.public_key().public_bytes_raw()
        await until(lambda: ingest().directory.gateways[self.row.pk].public_key == public_key)

    def bolus(self, units: float, **header: Any) -> bytes:
        """Return the sealed frame in which the pump tells of a bolus that it gave."""
        return self.pump.frame(("insulin_bolus", time.time() - 1, units), **header)

    def rate(self, u_per_h: float, t: float) -> bytes:
        """Return the sealed frame in which the pump tells its basal rate at `t`, s since the Unix epoch."""
        return self.pump.frame(("insulin_rate", t, u_per_h))

    async def send(self, *frames: bytes) -> dict[str, Any]:
        """Put frames on the gateway's wire and return the first answer."""
        return await self.gateway.send(*frames)

    async def given_u(self) -> float:
        """Return the insulin that the house believes the pump to have given as boluses, in units."""
        return sum(row.value for row in await self._stored("insulin_bolus"))

    async def shown_u_per_h(self) -> float:
        """Return the basal rate that the house shows now."""
        code = by_key("insulin_rate").code
        rows = await database_sync_to_async(store().latest)([self.pump.id])
        return next(float(row.value) for row in rows if row.metric == code)

    async def still_hears_the_pump(self) -> bool:
        """Tell whether the honest gateway is let in and its next honest reading stored."""
        await self.connect()
        before = len(await self._stored("insulin_rate"))
        answer = await self.send(self.rate(0.85, time.time()))
        return answer["type"] == "ack" and len(await self._stored("insulin_rate")) == before + 1

    async def _stored(self, key: str) -> list[Any]:
        until = time.time() + 3600.0
        return await database_sync_to_async(store().history)([self.pump.id], [by_key(key).code], 0, until)
