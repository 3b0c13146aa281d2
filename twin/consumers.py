"""Sockets of browsers: `/ws/ward/` and `/ws/patient/<id>/`. Rights are asked on connect and again before every news."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

import msgspec
from channels.db import database_sync_to_async

from compliance.errors import NotFound
from compliance.models import User
from compliance.services.sessions import holder_of
from devices.errors import FrameMalformed
from devices.protocol.frames import LIMIT_63
from devices.protocol.messages import decode_message
from devices.services.telemetry import store
from twin.live.hub import Hub
from twin.live.viewer import Viewer
from twin.selectors.live import View, view_for
from twin.services.delivery import mark_sent, mark_shown
from twin.services.live import hub

CLOSE_SIGN_IN, CLOSE_REFUSED, CLOSE_BROKEN = 4401, 4403, 4400
RIGHTS_HOLD_S = 1.5  # how old an answer of the policy may be when something is sent
RIGHTS_IDLE_S = 5.0  # how often it is asked when nothing is sent
MOST_MESSAGE_CHARS = 64 * 1024

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class FromPage(msgspec.Struct):
    """Any message that a page may send."""

    type: str
    cursors: dict[int, Annotated[int, msgspec.Meta(ge=-1, le=LIMIT_63 - 1)]] = {}
    n: int = 0
    alert: int = 0


class Ended(Exception):
    """The socket has to close with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class BrowserSocket:
    """One open page."""

    def __init__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._user: User = scope["user"]
        self._session_key: str = scope["session"].session_key
        self._patient_id: UUID | None = scope["url_route"]["kwargs"].get("patient_id")
        self._viewer = Viewer(self, store(), newest_only=self._patient_id is None)
        self._asked = 0.0
        self._hub: Hub = hub()

    async def run(self) -> None:
        """Serve the page until it leaves or may no longer see what it shows."""
        tasks: set[asyncio.Task[None]] = set()
        try:
            await self._ask_rights()
            if not self._viewer.newest_only:
                self._viewer.start_at(await asyncio.to_thread(store().latest, self._viewer.watched))
            await self.send(msgspec.json.encode({"type": "hello", "server_time": time.time()}))
            await self._hub.join(self._viewer)
            tasks |= {asyncio.create_task(work) for work in (self._viewer.run(), self._hear(), self._watch_rights())}
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._hub.leave(self._viewer)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _hear(self) -> None:
        while (event := await self._receive())["type"] == "websocket.receive":
            text = event.get("text") or ""
            try:
                message = decode_message(text[: MOST_MESSAGE_CHARS + 1], FromPage)
            except FrameMalformed:
                raise Ended(CLOSE_BROKEN, "a page sends JSON") from None
            if message.type == "mark":
                self._viewer.confirm(message.n)
            elif message.type == "resume":
                self._viewer.resync(message.cursors)
            elif message.type == "shown":
                with contextlib.suppress(NotFound):
                    await database_sync_to_async(mark_shown)(alert_id=message.alert, user=self._user)

    async def _watch_rights(self) -> None:
        while True:
            await asyncio.sleep(RIGHTS_IDLE_S)
            await self.check()

    async def _ask_rights(self) -> None:
        view = await database_sync_to_async(self._view)()
        self._asked = time.monotonic()
        if view is None:
            raise Ended(CLOSE_REFUSED, "you may not see this, or no longer")
        if self._viewer.watch(view.devices, view.told):
            await self._hub.route(self._viewer)

    def _view(self) -> View | None:
        holder = holder_of(self._session_key)
        if holder is None or holder.pk != self._user.pk:
            return None  # signed out, expired, or the password has changed
        return view_for(self._user.pk, self._patient_id)

    async def check(self) -> None:
        """Ask the policy again when its last answer is old."""
        if time.monotonic() - self._asked > RIGHTS_HOLD_S:
            await self._ask_rights()

    async def send(self, text: bytes) -> None:
        """Send one JSON message."""
        await self._send({"type": "websocket.send", "text": text.decode()})

    async def alert_sent(self, alert_id: int) -> None:
        """Note that an alert was handed to this page."""
        await database_sync_to_async(mark_sent)(alert_id=alert_id, user_ids=[self._user.pk])


async def browser_socket(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """ASGI application of both sockets. It accepts before it refuses: only so does a page learn the reason."""
    if (await receive())["type"] != "websocket.connect":
        return
    await send({"type": "websocket.accept"})
    try:
        if not scope["user"].is_authenticated:
            raise Ended(CLOSE_SIGN_IN, "sign in first")
        await BrowserSocket(scope, receive, send).run()
    except Ended as end:
        text = msgspec.json.encode({"type": "revoked", "reason": end.reason}).decode()
        await send({"type": "websocket.send", "text": text})
        await send({"type": "websocket.close", "code": end.code, "reason": end.reason})


async def nowhere(_scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """ASGI application of every other address: without it the router raises, and strangers could fill the log."""
    if (await receive())["type"] == "websocket.connect":
        await send({"type": "websocket.close"})
