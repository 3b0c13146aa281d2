"""The server's UDP socket: CoAP's messages (RFC 7252) in and out, with every memory bounded.

aiocoap reads and writes the messages and OSCORE protects them; its server side is not used, because it remembers each
datagram of any stranger for four minutes. Here nothing is remembered of a datagram that did not prove, by opening under
a gateway's keys, where it comes from; and who did not prove it is never answered with more bytes than it sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import aiocoap
from aiocoap import error as coap_error
from aiocoap.numbers.types import ACK, CON, RST

from devices.protocol.sequence import NumbersExhausted
from devices.transport.oscore import Context, Replayed, Unprotectable, gateway_of

log = logging.getLogger(__name__)

MOST_DATAGRAM_BYTES = 1500  # a block of 1,024 bytes and what stands around it stays far below
MOST_AT_WORK = 4096  # requests being worked on; a gateway asks for no more than a few at once
MOST_AT_WORK_EACH = 16
MOST_REMEMBERED = 8192  # answers kept for a gateway that did not hear them: 8 MB at the most
ACK_AFTER_S = 0.05  # an answer that takes longer is said to be on its way
ACK_TIMEOUT_S, ACK_RANDOM_FACTOR, MAX_RETRANSMIT = 2.0, 1.5, 4  # RFC 7252, section 4.8
NO_CONTEXT = aiocoap.UNAUTHORIZED


Block = tuple[int, bool, int]


class Request(NamedTuple):
    """What a gateway asks. session: from the query, "" when absent. block: its number, whether more come, exponent."""

    method: str
    path: str
    session: str
    payload: bytes
    block: Block | None


class Reply(NamedTuple):
    """What it is told."""

    code: Any
    payload: bytes = b""
    block: Block | None = None


Address = tuple[Any, ...]
Key = tuple[Address, bytes]
Contexts = Callable[[int], Awaitable[Context | None]]
Handle = Callable[[int, Request], Awaitable[Reply]]
Knows = Callable[[int], bool]
Refuse = Callable[[int | None, str], None]


class Endpoint(asyncio.DatagramProtocol):
    """A socket that serves gateways.

    knows: whether a number is a gateway's, without waiting. context: its keys. refuse: takes note of a datagram that
    nobody should have sent.
    """

    def __init__(self, knows: Knows, context: Contexts, handle: Handle, refuse: Refuse) -> None:
        self._knows, self._context, self._handle, self._refuse = knows, context, handle, refuse
        self._socket: asyncio.DatagramTransport | None = None
        self._closed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._at_work: dict[int, int] = {}
        self._answered: OrderedDict[Key, bytes] = OrderedDict()  # empty until there is one
        self._waiting: dict[tuple[Address, int], asyncio.Event] = {}  # our confirmable messages
        self._mid = random.randrange(1 << 16)  # noqa: S311

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        self._socket = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        """Let `close` go on."""
        self._closed.set()

    def error_received(self, exc: Exception) -> None:
        """A gateway is gone: its requests run out by themselves."""

    async def close(self) -> None:
        """Stop listening and end what is being worked on."""
        if self._socket is not None:
            self._socket.close()
            await self._closed.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Take a datagram, which may be anybody's."""
        if len(data) > MOST_DATAGRAM_BYTES:
            return
        try:
            message = aiocoap.Message.decode(data)
        except (coap_error.UnparsableMessage, ValueError, IndexError, TypeError):
            return  # not even a message: silence costs a stranger more than it costs us
        if message.mtype in (ACK, RST):
            if waiting := self._waiting.get((addr, message.mid)):
                waiting.set()
        elif message.mtype is CON and message.code == aiocoap.EMPTY:
            self._put(_empty(RST, message.mid), addr)  # the ping of RFC 7252, section 4.3
        elif message.mtype is CON and message.code.is_request():
            self._request(message, data, addr)

    def _request(self, message: Any, data: bytes, addr: Address) -> None:
        gateway_id = gateway_of(message)
        if gateway_id is None or not self._knows(gateway_id):
            self._refuse(None, "A datagram names no gateway of this house.")
            self._put(_bare(NO_CONTEXT, message), addr)
            return
        key = (addr, hashlib.sha256(data).digest())
        if key in self._answered:  # said again, because our answer was lost or is not made yet
            if answer := self._answered[key]:
                self._send(answer, addr)
            return
        if len(self._tasks) >= MOST_AT_WORK or self._at_work.get(gateway_id, 0) >= MOST_AT_WORK_EACH:
            return  # it will say it again, later each time
        self._at_work[gateway_id] = self._at_work.get(gateway_id, 0) + 1
        task = asyncio.create_task(self._serve(gateway_id, message, key))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._done(done, gateway_id))

    def _done(self, task: asyncio.Task[None], gateway_id: int) -> None:
        self._tasks.discard(task)
        self._at_work[gateway_id] -= 1
        if not self._at_work[gateway_id]:
            del self._at_work[gateway_id]
        if not task.cancelled() and (error := task.exception()):
            log.error("a request of gateway %d failed", gateway_id, exc_info=error)

    async def _serve(self, gateway_id: int, message: Any, key: Key) -> None:
        context = await self._context(gateway_id)
        if context is None:
            self._put(_bare(NO_CONTEXT, message), key[0])
            return
        try:
            inner, request_id, ask_again = context.open_request(message)
        except (Replayed, NumbersExhausted):
            return  # a copy of something old: whoever sent it learns nothing
        except Unprotectable:
            self._refuse(gateway_id, "A datagram does not open under the gateway's keys.")
            self._put(_bare(aiocoap.BAD_REQUEST, message), key[0])
            return
        if inner is None:
            self._respond(ask_again, message, key[0])
            return
        self._remember(key, b"")
        making = asyncio.ensure_future(self._handle(gateway_id, _meant(inner)))
        try:
            done, _ = await asyncio.wait({making}, timeout=ACK_AFTER_S)
            if not done:
                self._remember(key, self._put(_empty(ACK, message.mid), key[0]))
            reply = await making
        finally:
            making.cancel()
        try:
            protected, _ = context.protect(_said(reply), request_id)
        except NumbersExhausted:
            self._answered.pop(key, None)
            return
        if done:
            self._remember(key, self._respond(protected, message, key[0]))
        else:
            await self._insist(protected, message, key)

    async def _insist(self, response: Any, request: Any, key: Key) -> None:
        """Send an answer that comes late until the gateway has it, or is not there any more."""
        self._mid = (self._mid + 1) % (1 << 16)
        response.mtype, response.mid, response.token = CON, self._mid, request.token
        raw, waiting = response.encode(), asyncio.Event()
        place = (key[0], self._mid)
        self._remember(key, raw)
        self._waiting[place] = waiting
        try:
            wait_s = ACK_TIMEOUT_S * random.uniform(1.0, ACK_RANDOM_FACTOR)  # noqa: S311
            for _ in range(MAX_RETRANSMIT + 1):
                self._send(raw, key[0])
                try:
                    await asyncio.wait_for(waiting.wait(), wait_s)
                except TimeoutError:
                    wait_s *= 2
                else:
                    return
        finally:
            self._waiting.pop(place, None)

    # --- Out -----------------------------------------------------------------------------------------------------

    def _remember(self, key: Key, answer: bytes) -> None:
        self._answered[key] = answer
        self._answered.move_to_end(key)
        while len(self._answered) > MOST_REMEMBERED:
            self._answered.popitem(last=False)

    def _respond(self, response: Any, request: Any, addr: Address) -> bytes:
        response.mtype, response.mid, response.token = ACK, request.mid, request.token
        return self._put(response, addr)

    def _put(self, message: Any, addr: Address) -> bytes:
        raw: bytes = message.encode()
        self._send(raw, addr)
        return raw

    def _send(self, raw: bytes, addr: Address) -> None:
        if self._socket is not None and not self._socket.is_closing():
            self._socket.sendto(raw, addr)


def _empty(mtype: Any, mid: int) -> Any:
    return aiocoap.Message(_mtype=mtype, _mid=mid, code=aiocoap.EMPTY)


def _bare(code: Any, request: Any) -> Any:
    """A response without protection, options or payload: as long as the head of what it answers."""
    return aiocoap.Message(_mtype=ACK, _mid=request.mid, _token=request.token, code=code)


def _meant(inner: Any) -> Request:
    """Return what an opened request asks for."""
    block = inner.opt.block1
    query = dict(part.partition("=")[::2] for part in inner.opt.uri_query)
    path = "/".join(inner.opt.uri_path)
    number = (block.block_number, block.more, block.size_exponent) if block is not None else None
    return Request(inner.code.name, path, query.get("s", ""), bytes(inner.payload), number)


def _said(reply: Reply) -> Any:
    message = aiocoap.Message(code=reply.code, payload=reply.payload)
    if reply.block is not None:
        message.opt.block1 = reply.block
    return message
