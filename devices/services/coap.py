"""What gateways ask of this house over CoAP: a challenge, to be let in, to store frames, and what there is to say.

The datagrams, their repetition and their protection are the endpoint's; who may come in is `admission`'s; storing and
answering is the one ingest writer's. An answer to frames leaves only after their commit.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import NamedTuple

import aiocoap
import msgspec

from compliance.errors import DomainError
from devices.errors import CreditExceeded, FrameError, FrameOversized, GatewayRefused
from devices.protocol.frames import MAX_FRAME_BYTES
from devices.protocol.hello import NONCE_BYTES, Challenge, Refused
from devices.services.admission import HELLO_WITHIN_S, admit
from devices.services.coap_keys import Keys
from devices.services.coap_link import CoapLink
from devices.services.ingest import Ingest
from devices.services.links import CLOSE_NOT_ALLOWED
from devices.transport.coap_address import ANSWERS, FRAMES, HELLO, ROOT, SESSION, SESSION_BYTES
from devices.transport.coap_endpoint import Block, Endpoint, Reply, Request

HOLD_S = 20.0  # how long a question for answers waits for one; a NAT forgets a silent gateway after 30
COMMIT_WITHIN_S = 25.0  # longer than any commit; what is answered later comes with the next question
GONE_AFTER_S = 75.0  # three questions that did not come
SWEEP_S = 5.0
MOST_GATHERED_BYTES = MAX_FRAME_BYTES + 1024  # one frame in blocks; smaller ones travel together in a datagram
MOST_GATHERING = 1000


class Asked(NamedTuple):
    """A challenge on its way. at: on the monotonic clock."""

    nonce: bytes
    at: float


class Gathering:
    """Blocks of one message (RFC 7959), in order, of a gateway that proved itself."""

    def __init__(self) -> None:
        self.parts = bytearray()
        self.next = 0


class Server:
    """The resources. Everything kept here belongs to a gateway of the registry that proved itself."""

    def __init__(self, writer: Ingest) -> None:
        self._writer = writer
        self._keys = Keys()
        self._asked: dict[int, Asked] = {}
        self._links: dict[int, CoapLink] = {}
        self._gathering: dict[int, Gathering] = {}
        self._resources = {
            ("POST", SESSION): self._challenge,
            ("DELETE", SESSION): self._leave,
            ("POST", HELLO): self._hello,
            ("POST", FRAMES): self._frames,
            ("GET", ANSWERS): self._answers,
        }
        self.endpoint = Endpoint(self._knows, self._keys, self._handle, self._refuse)

    async def sweep(self) -> None:
        """Let go, again and again, of gateways that are not heard any more, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now = time.monotonic()
            for link in [link for link in self._links.values() if now - link.heard_at > GONE_AFTER_S]:
                self._forget(link)
            self._asked = {key: asked for key, asked in self._asked.items() if now - asked.at < HELLO_WITHIN_S}
            for gateway_id in await self._keys.drop_renewed():
                if renewed := self._links.get(gateway_id):
                    await renewed.end(CLOSE_NOT_ALLOWED, "this gateway has got another secret")

    def close(self) -> None:
        """Let the writer know that nobody is connected here any more."""
        for link in list(self._links.values()):
            self._forget(link)

    def _knows(self, gateway_id: int) -> bool:
        return gateway_id in self._writer.directory.gateways

    async def _handle(self, gateway_id: int, request: Request) -> Reply:
        root, _, path = request.path.partition("/")
        resource = self._resources.get((request.method, path))
        if root != ROOT or resource is None:
            return Reply(aiocoap.NOT_FOUND)
        if request.block is not None:
            gathered = self._gather(gateway_id, request, request.block)
            if isinstance(gathered, Reply):
                return gathered
            request = gathered
        reply = await resource(gateway_id, request)
        return reply._replace(block=request.block)

    def _gather(self, gateway_id: int, request: Request, block: Block) -> Request | Reply:
        """Return a message whose last block this was, or what to say until then."""
        number, more, _ = block
        if number == 0:
            if gateway_id not in self._gathering and len(self._gathering) >= MOST_GATHERING:
                return Reply(aiocoap.SERVICE_UNAVAILABLE, block=block)
            self._gathering[gateway_id] = Gathering()
        gathering = self._gathering.get(gateway_id)
        if gathering is None or gathering.next != number:
            self._gathering.pop(gateway_id, None)
            return Reply(aiocoap.REQUEST_ENTITY_INCOMPLETE, block=block)
        gathering.next += 1
        gathering.parts += request.payload
        if len(gathering.parts) > MOST_GATHERED_BYTES:
            del self._gathering[gateway_id]
            if link := self._link(gateway_id, request):
                error = FrameOversized(f"a message of over {MOST_GATHERED_BYTES} bytes")
                self._note(error, gateway_id)
                self._forget(link)
            else:
                error = FrameOversized()
            return _refused(aiocoap.REQUEST_ENTITY_TOO_LARGE, error)._replace(block=block)
        if more:
            return Reply(aiocoap.CONTINUE, block=block)
        del self._gathering[gateway_id]
        return request._replace(payload=bytes(gathering.parts))

    # --- Resources -----------------------------------------------------------------------------------------------

    async def _challenge(self, gateway_id: int, _: Request) -> Reply:
        nonce = os.urandom(NONCE_BYTES)
        self._asked[gateway_id] = Asked(nonce, time.monotonic())
        challenge: Challenge = {"type": "challenge", "nonce": nonce.hex(), "server_time": time.time()}
        return Reply(aiocoap.CREATED, msgspec.json.encode(challenge))

    async def _hello(self, gateway_id: int, request: Request) -> Reply:
        link = self._link(gateway_id, request)
        if link is not None and link.transcript.agreement is not None:
            return await self._renew(link, request)
        asked = self._asked.get(gateway_id)
        if asked is None or asked.nonce[:SESSION_BYTES].hex() != request.session:
            error = GatewayRefused("A hello answers no challenge of ours.")
            self._note(error)
            return _refused(aiocoap.FORBIDDEN, error)
        del self._asked[gateway_id]
        try:
            if time.monotonic() - asked.at > HELLO_WITHIN_S:
                raise GatewayRefused("The gateway did not answer the challenge in time.")
            hello, transcript = await admit(self._writer, request.payload, asked.nonce)
            if hello["gateway"] != gateway_id:
                raise GatewayRefused("The gateway speaks under the keys of another.")
        except GatewayRefused as error:
            self._note(error)
            return _refused(aiocoap.FORBIDDEN, error)
        link = CoapLink(hello, transcript, forget=self._forget)
        self._links[gateway_id] = link  # an older one is ended by the writer
        self._writer.link_changed(link, True)
        return self._spoken(link, await link.hear(HELLO_WITHIN_S))

    async def _renew(self, link: CoapLink, request: Request) -> Reply:
        try:
            link.renew(self._writer, request.payload)
        except GatewayRefused as error:
            self._note(error, link.gateway_id)
            self._forget(link)
            return _refused(aiocoap.FORBIDDEN, error)
        return self._spoken(link, await link.hear(HELLO_WITHIN_S))

    async def _frames(self, gateway_id: int, request: Request) -> Reply:
        link = self._link(gateway_id, request)
        if link is None:
            return _over()
        try:
            frames, until = link.take(request.payload)
        except (FrameError, CreditExceeded) as error:
            self._note(error, gateway_id)
            await link.refuse(error.code, error.message)
            self._forget(link)
            return Reply(aiocoap.FORBIDDEN, await link.hear(0.0))
        await self._writer.submit(link, frames, len(request.payload))
        return self._spoken(link, await link.hear_of_frames(COMMIT_WITHIN_S, until))

    async def _answers(self, gateway_id: int, request: Request) -> Reply:
        link = self._link(gateway_id, request)
        return _over() if link is None else self._spoken(link, await link.hear(HOLD_S))

    async def _leave(self, gateway_id: int, request: Request) -> Reply:
        if link := self._link(gateway_id, request):
            self._forget(link)
        return Reply(aiocoap.DELETED)

    def _spoken(self, link: CoapLink, payload: bytes) -> Reply:
        link.heard_at = time.monotonic()
        return Reply(aiocoap.FORBIDDEN if link.ended else aiocoap.CONTENT, payload)

    # --- What is kept --------------------------------------------------------------------------------------------

    def _link(self, gateway_id: int, request: Request) -> CoapLink | None:
        link = self._links.get(gateway_id)
        if link is None or link.transcript.nonce[:SESSION_BYTES].hex() != request.session:
            return None
        link.heard_at = time.monotonic()
        return link

    def _forget(self, link: CoapLink) -> None:
        if self._links.get(link.gateway_id) is link:
            del self._links[link.gateway_id]
            self._gathering.pop(link.gateway_id, None)
        if link.forgotten:
            return
        link.forgotten = True
        self._writer.link_changed(link, False)

    def _refuse(self, gateway_id: int | None, sentence: str) -> None:
        self._note(GatewayRefused(sentence), gateway_id)

    def _note(self, error: DomainError, gateway_id: int | None = None) -> None:
        known = self._writer.directory.gateways.get(gateway_id or 0)
        self._writer.refusals.note(error, gateway_id=gateway_id, ward_id=known.ward_id if known else None)


def _refused(code: object, error: DomainError) -> Reply:
    refused: Refused = {"type": "refused", "code": error.code, "message": error.message}
    return Reply(code, msgspec.json.encode(refused))


def _over() -> Reply:
    """The answer to a session that is not (any more): of a former process, or a former connection."""
    return _refused(aiocoap.FORBIDDEN, GatewayRefused("This session is over: connect again."))
