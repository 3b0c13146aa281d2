"""A very small HTTP server for one page: few routes, short requests, nothing kept open.

Who reaches it: programs on this computer, or, with a PIN, browsers of the network that it is bound to. A page of
another site cannot press a button: a POST must carry this page's own Origin. Nor can it read anything through a name of
its own that points here: a Host that is not ours gets no answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs

import msgspec

from devices.gateway.page import view
from devices.gateway.page.assets import CSS, JS
from devices.gateway.page.config import PageConfig
from devices.gateway.page.snapshot import Snapshot

log = logging.getLogger(__name__)

REQUEST_WITHIN_S = 10.0
MAX_HEAD_BYTES, MAX_BODY_BYTES, MAX_CONNECTIONS = 8192, 1024, 16
WRONG_PINS, LOCKED_S = 5, 60.0
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with none at all browsers would hide the Origin of our own forms
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Connection": "close",
}


class Act(NamedTuple):
    """A button: the field that names what it is about, what it does, and what is said afterwards."""

    field: str
    work: Callable[[int], bool]
    done: str
    failed: str


class Request(NamedTuple):
    """What was asked. headers: lower-case names."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Refusal(Exception):
    """This request gets no page."""

    def __init__(self, status: HTTPStatus, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


class StatusPage:
    """The server. look: makes what is shown. acts: path -> button."""

    def __init__(self, config: PageConfig, folder: Path, look: Callable[[], Snapshot], acts: dict[str, Act]) -> None:
        self._config, self._look, self._acts = config, look, acts
        self._pin = config.pin(folder)
        self._wrong, self._locked_until = 0, 0.0
        self._connections = 0
        self._server: asyncio.Server | None = None
        self.port = config.port or 0

    async def start(self) -> None:
        """Begin to serve. Raises OSError when the port is taken."""
        address = self._config.address
        self._server = await asyncio.start_server(self._meet, address, self._config.port, limit=MAX_HEAD_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]
        log.info("event=page_served address=%s port=%d pin=%s", address, self.port, bool(self._pin))

    async def stop(self) -> None:
        """End."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                if self._connections <= MAX_CONNECTIONS:
                    async with asyncio.timeout(REQUEST_WITHIN_S):
                        writer.write(await self._serve(reader))
                        await writer.drain()
        finally:
            self._connections -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader) -> bytes:
        try:
            request = await _read(reader)
            self._check_host(request)
            if request.method == "POST":
                return await self._press(request)
            if request.method != "GET":
                raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET and POST are known here.")
            return await self._show(request)
        except Refusal as refusal:
            return answer(refusal.status, "text/plain; charset=utf-8", refusal.words.encode())

    async def _show(self, request: Request) -> bytes:
        asks = bool(self._pin)
        if request.path == "/page.css":
            return answer(HTTPStatus.OK, "text/css; charset=utf-8", CSS.encode())
        if request.path == "/page.js":
            return answer(HTTPStatus.OK, "text/javascript; charset=utf-8", JS.encode())
        shown = await asyncio.to_thread(self._look) if request.path in ("/", "/part", "/status.json") else None
        if shown is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "There is nothing here.")
        if request.path == "/status.json":
            return answer(HTTPStatus.OK, "application/json", msgspec.json.encode(shown))
        text = view.page(shown, asks_pin=asks) if request.path == "/" else view.main(shown, asks_pin=asks)
        return answer(HTTPStatus.OK, "text/html; charset=utf-8", text.encode())

    async def _press(self, request: Request) -> bytes:
        """Press a button. Raises Refusal for another site's page, a wrong PIN, or a button that is not there."""
        host, origin = request.headers.get("host", ""), request.headers.get("origin", "")
        if origin != f"http://{host}" or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise Refusal(HTTPStatus.FORBIDDEN, "This button belongs to the gateway's own page.")
        act = self._acts.get(request.path)
        try:
            fields = parse_qs(request.body.decode("ascii"), max_num_fields=4)
            number = int(fields[act.field][0]) if act else 0
        except (ValueError, KeyError) as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, "The form is not complete.") from error
        if act is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "There is nothing here.")
        self._check_pin(fields.get("pin", [""])[0])
        done = await asyncio.to_thread(act.work, number)
        log.warning("event=page_button path=%s number=%d done=%s", request.path, number, done)
        shown = await asyncio.to_thread(self._look)
        text = view.page(shown, asks_pin=bool(self._pin), said=act.done if done else act.failed)
        status = HTTPStatus.OK if done else HTTPStatus.CONFLICT
        return answer(status, "text/html; charset=utf-8", text.encode())

    def _check_host(self, request: Request) -> None:
        """Raise Refusal for a name that is not ours: another site's name may have been pointed at this address."""
        names = {self._config.address, *self._config.names} | ({"localhost"} if self._config.local else set())
        host = request.headers.get("host", "")
        if host not in {f"{f'[{name}]' if ':' in name else name}:{self.port}" for name in names}:
            raise Refusal(HTTPStatus.MISDIRECTED_REQUEST, "This gateway is not known by that name.")

    def _check_pin(self, said: str) -> None:
        if not self._pin:
            return
        if time.monotonic() < self._locked_until:
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong PINs. Wait a minute.")
        if hmac.compare_digest(said.encode(), self._pin.encode()):
            self._wrong = 0
            return
        self._wrong += 1
        log.warning("event=page_wrong_pin times=%d", self._wrong)
        if self._wrong >= WRONG_PINS:
            self._wrong, self._locked_until = 0, time.monotonic() + LOCKED_S
        raise Refusal(HTTPStatus.FORBIDDEN, "The PIN is wrong. Go back and try again.")


async def _read(reader: asyncio.StreamReader) -> Request:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError as error:
        raise Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request is too long.") from error
    first, *lines = head[:-4].split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise Refusal(HTTPStatus.BAD_REQUEST, "This is no request.")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length) > MAX_BODY_BYTES or "transfer-encoding" in headers:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The form is too long.")
    return Request(parts[0], parts[1].partition("?")[0], headers, await reader.readexactly(int(length)))


def answer(status: HTTPStatus, kind: str, body: bytes) -> bytes:
    """Return a whole response."""
    head = {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    return f"HTTP/1.1 {status.value} {status.phrase}\r\n{lines}\r\n".encode() + body
