"""A gateway's line over CoAP: confirmable messages one after the other (RFC 7252), protected by OSCORE (RFC 8613).

The server's end is known by its keys, so acknowledgements need no proof of their own. Loaded at the first use alone:
it needs aiocoap (extra `coap`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiocoap
from aiocoap import error as coap_error
from aiocoap import oscore

from devices.errors import FrameError
from devices.protocol.frames import join_frames, split_frames
from devices.protocol.hello import Challenge
from devices.protocol.messages import decode_message
from devices.protocol.sequence import NumbersExhausted
from devices.transport.coap_address import (
    ANSWERS,
    BLOCK_BYTES,
    FRAMES,
    HELLO,
    ROOT,
    SEPARATOR,
    SESSION,
    SESSION_BYTES,
    CoapAddress,
)
from devices.transport.oscore import Numbers, gateway_context

log = logging.getLogger(__name__)

AT_ONCE = 4  # messages of frames on their way; aiocoap still waits for each to be acknowledged before the next
ANSWER_WITHIN_S = 30.0  # the server holds a question for 20 s; silent for longer, it is taken for lost
LEAVE_WITHIN_S = 1.0
MAX_WAITING_MESSAGES = 10_000


class _Quiet(logging.LoggerAdapter[logging.Logger]):
    """aiocoap logs what happens to a request that nobody waits for any more with an argument that logging refuses."""

    def error(self, msg: object, *args: object, **options: Any) -> None:
        """Log it as the detail that it is."""
        options.pop("exception", None)
        super().debug(msg, *args, **options)

    def getChild(self, suffix: str) -> logging.Logger:  # noqa: N802  # logging's name
        """Return the logger of a part."""
        return self.logger.getChild(suffix)


class CoapLost(ConnectionError):
    """The server cannot be reached, refused, or went away."""


class CoapLine:
    """A `Line`. What the server has to say comes with its responses; a question for more is always open."""

    def __init__(self, client: Any, address: CoapAddress) -> None:
        self._client, self._address = client, address
        self._greeted = False
        self._heard: asyncio.Queue[bytes | CoapLost] = asyncio.Queue(MAX_WAITING_MESSAGES)
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._session = ""
        self._lost: CoapLost | None = None

    async def open(self) -> None:
        """Ask for the challenge, which `recv` then returns. Raises CoapLost."""
        challenge = await self._ask(aiocoap.POST, SESSION)
        nonce = decode_message(challenge.payload, Challenge)["nonce"]
        self._session = nonce[: 2 * SESSION_BYTES]
        self._hear(challenge.payload)

    async def recv(self) -> bytes:
        """Return the next message. Raises CoapLost."""
        message = await self._heard.get()
        if isinstance(message, CoapLost):
            self._heard.put_nowait(message)  # for whoever asks again
            raise message
        return message

    async def send(self, message: str | bytes) -> None:
        """Send the hello, or frames as the credit and the network let them go. Raises CoapLost."""
        if isinstance(message, str):
            hello = message.encode()
            self._start(self._ask_and_hear(aiocoap.POST, HELLO, hello) if self._greeted else self._greet(hello))
            self._greeted = True  # whoever says hello again asks for answers already
            return
        for part in _datagrams(message):
            await self._room.acquire()
            if self._lost is not None:
                self._room.release()
                raise self._lost
            self._start(self._post(part))

    async def leave(self) -> None:
        """Tell the server, if it listens, and end what is on its way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session and self._lost is None:
            with contextlib.suppress(CoapLost, TimeoutError):
                async with asyncio.timeout(LEAVE_WITHIN_S):
                    await self._ask(aiocoap.DELETE, SESSION)

    async def _greet(self, hello: bytes) -> None:
        await self._ask_and_hear(aiocoap.POST, HELLO, hello)
        while True:
            await self._ask_and_hear(aiocoap.GET, ANSWERS)

    async def _post(self, frames: bytes) -> None:
        try:
            await self._ask_and_hear(aiocoap.POST, FRAMES, frames)
        finally:
            self._room.release()

    async def _ask_and_hear(self, method: Any, resource: str, payload: bytes = b"") -> None:
        response = await self._ask(method, resource, payload)
        self._hear(response.payload)
        if not response.code.is_successful():
            raise CoapLost("the server ended the session")

    async def _ask(self, method: Any, resource: str, payload: bytes = b"") -> Any:
        request = aiocoap.Message(code=method, uri=f"{self._address.uri}/{ROOT}/{resource}", payload=payload)
        if self._session:
            request.opt.uri_query = (f"s={self._session}",)
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                response = await self._client.request(request).response
        except (coap_error.Error, oscore.ProtectionInvalid, NumbersExhausted, OSError) as error:
            raise CoapLost(_sentence(error)) from error
        if not response.code.is_successful() and not response.payload:
            raise CoapLost(f"the CoAP server answered {response.code}")
        return response

    def _hear(self, payload: bytes) -> None:
        for message in payload.split(SEPARATOR):
            if message:
                self._put(message)

    def _put(self, message: bytes | CoapLost) -> None:
        with contextlib.suppress(asyncio.QueueFull):  # nobody reads: what is not heard comes again
            self._heard.put_nowait(message)

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        self._lost = error if isinstance(error, CoapLost) else CoapLost(_sentence(error))
        self._put(self._lost)


@asynccontextmanager
async def open_coap(
    address: CoapAddress, *, gateway_id: int, secret: bytes, numbers: Numbers
) -> AsyncIterator[CoapLine]:
    """Open a gateway's line. secret: the 32 bytes that the house gave it. Raises CoapLost."""
    client = await aiocoap.Context.create_client_context(transports=["oscore", "simple6"], loggername=__name__)
    client.log = _Quiet(client.log)
    client.client_credentials[f"{address.uri}/*"] = gateway_context(secret, gateway_id, numbers)
    line = CoapLine(client, address)
    try:
        await line.open()
        yield line
    finally:
        await line.leave()
        await client.shutdown()


def _datagrams(message: bytes) -> Iterator[bytes]:
    """Yield the frames of a message in parts that fit a datagram; a large frame alone goes out in blocks."""
    try:
        frames = split_frames(message)
    except FrameError:
        yield message  # the server says what is wrong with it
        return
    part: list[bytes] = []
    size = 0
    for frame in frames:
        if part and size + len(frame) + 2 > BLOCK_BYTES:
            yield join_frames(part)
            part, size = [], 0
        part.append(frame)
        size += len(frame) + 2
    if part:
        yield join_frames(part)


def _sentence(error: BaseException) -> str:
    if isinstance(error, oscore.NotAProtectedMessage):
        return "the server knows no gateway of this number and secret"
    return f"the CoAP server: {error or type(error).__name__}"
