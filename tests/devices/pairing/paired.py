"""A paired gateway as the tests play it: real pairing, real greetings, and seals under the epoch's keys."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass

import msgspec
from channels.testing import WebsocketCommunicator

from devices.pairing import gateway_side
from devices.protocol.certificates import serial_of
from devices.protocol.epochs import frame_key
from devices.protocol.hello import MutualWelcome
from devices.protocol.mutual import Epoch, GatewayGreeting, LinkIdentity
from tests.devices.ingest.cast import ToyDevice, ToyGateway
from tests.patience import PATIENCE_S


def pair_now(owner) -> gateway_side.Paired:  # type: ignore[no-untyped-def]
    """Pair a gateway or device without a network in between."""
    from devices.services import pairing

    address = pairing.begin_pairing(owner=owner, server="https://house").address
    run = gateway_side.Pairing(address, software="toy")
    proven = run.prove(pairing.answer(run.offer(time.time())), time.time())
    return gateway_side.finish(proven, pairing.answer(proven.message), time.time())


@dataclass
class PairedGateway(ToyGateway):
    """A gateway after its pairing, and its socket."""

    paired: gateway_side.Paired | None = None
    epoch: Epoch | None = None

    @classmethod
    def of(cls, gateway) -> PairedGateway:  # type: ignore[no-untyped-def]
        paired = pair_now(gateway)
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(gateway.pk, Ed25519PrivateKey.from_private_bytes(paired.identity), paired=paired)

    def greeting(self) -> GatewayGreeting:
        assert self.paired
        identity = LinkIdentity(self.key, self.paired.certificate, self.paired.authority)
        return GatewayGreeting(self.id, identity, serial_of(self.paired.certificate), self.paired.root)

    async def connect(self) -> PairedGateway:
        challenge = await self.open()
        await self.greet(bytes.fromhex(challenge["nonce"]))
        return self

    async def greet(self, nonce: bytes) -> Epoch:
        """Say hello over a challenge or the open session's transcript, and check the welcome."""
        greeting = self.greeting()
        await self.say(greeting.hello(nonce, now=time.time(), software="toy"))
        self.epoch = greeting.check(await self.hear_welcome(), now=time.time())
        return self.epoch

    async def say(self, message: object) -> None:
        await self.socket.send_to(text_data=msgspec.json.encode(message).decode())

    async def hear_welcome(self) -> MutualWelcome:
        return msgspec.json.decode(await self.socket.receive_from(), type=MutualWelcome)

    def device(self, device_id: int, root: bytes | None = None) -> ToyDevice:
        """Return a device that seals under the keys of the present epoch."""
        assert self.epoch
        key = frame_key(self.epoch.secret, device_id, 1, root)
        return ToyDevice(device_id, key, self.epoch.number)


async def refused(socket: WebsocketCommunicator) -> str:
    """Wait for a refusal and return its code."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            message = json.loads(await socket.receive_from())
            if message["type"] == "refused":
                return str(message["code"])
