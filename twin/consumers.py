"""Sockets of browsers: `/ws/ward/` and `/ws/patient/<id>/`. Rights are asked on connect and again before every news."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Annotated, Any
from uuid import UUID

import msgspec
from channels.db import database_sync_to_async
from django.utils import timezone

from compliance.errors import NotFound
from compliance.models import EventCategory, Patient, User
from compliance.services.accesses import record_access, record_list_access
from compliance.services.events import record_error
from compliance.services.sessions import holder_of
from devices.errors import FrameMalformed
from devices.protocol.frames import LIMIT_63
from devices.protocol.messages import decode_message
from devices.services.telemetry import store
from twin.errors import MessageTooLong
from twin.live.hub import Hub
from twin.live.viewer import Viewer
from twin.selectors.live import View, view_for
from twin.services.delivery import mark_sent, mark_shown
from twin.services.live import hub

CLOSE_SIGN_IN, CLOSE_REFUSED, CLOSE_BROKEN, CLOSE_TOO_BIG = 4401, 4403, 4400, 4413
MESSAGE_TOO_BIG = 1009  # RFC 6455, section 7.4.1
RIGHTS_HOLD_S = 1.5  # how old an answer of the policy may be when something is sent
RIGHTS_IDLE_S = 5.0  # how often it is asked when nothing is sent, nothing is announced and no right is about to end
RIGHTS_UNHEARD_S = 0.8  # the same while there is no broker, of which nobody would hear that a right was taken
JUST_AFTER_S = 0.05  # a right that ends at noon holds until noon
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


def too_long(event: dict[str, Any]) -> bool:
    """Tell whether a page sent more than we read, or so much that the server ended its socket (twin/daphne.py)."""
    sent = max(len(event.get("text") or ""), len(event.get("bytes") or b""))
    return sent > MOST_MESSAGE_CHARS or event.get("code") == MESSAGE_TOO_BIG


class BrowserSocket:
    """One open page."""

    def __init__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._user: User = scope["user"]
        self._session_key: str = scope["session"].session_key
        self._patient_id: UUID | None = scope["url_route"]["kwargs"].get("patient_id")
        self._viewer = Viewer(self, store(), newest_only=self._patient_id is None)
        self._asked = self._ends = 0.0  # monotonic: when the policy was asked, and when time alone changes its answer
        self._narrowed = asyncio.Event()
        self._hub: Hub = hub()

    async def run(self) -> None:
        """Serve the page until it leaves or may no longer see what it shows."""
        tasks: set[asyncio.Task[None]] = set()
        try:
            await self._ask_rights()
            if not self._viewer.newest_only:
                self._viewer.start_at(await asyncio.to_thread(store().latest, self._viewer.watched))
            await database_sync_to_async(self._note_look)()
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
        while True:
            event = await self._receive()
            text = event.get("text") or ""
            if too_long(event):
                await self._note(MessageTooLong())
                raise Ended(CLOSE_TOO_BIG, "that message is too long")
            if event["type"] != "websocket.receive":
                return
            try:
                message = decode_message(text, FromPage)
            except FrameMalformed:
                raise Ended(CLOSE_BROKEN, "a page sends JSON") from None
            if message.type == "mark":
                self._viewer.confirm(message.n)
            elif message.type == "resume":
                self._viewer.resync(message.cursors)
            elif message.type == "shown":
                with contextlib.suppress(NotFound):
                    await database_sync_to_async(mark_shown)(alert_id=message.alert, user=self._user)

    async def _note(self, error: MessageTooLong) -> None:
        await database_sync_to_async(record_error)(error, category=EventCategory.SECURITY, user=self._user)

    async def _watch_rights(self) -> None:
        while True:
            wait_s = max(min(self._may_wait_s(RIGHTS_IDLE_S), self._ends - time.monotonic()), 0.0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._narrowed.wait(), wait_s)
            if self._narrowed.is_set() or time.monotonic() >= self._ends:
                self._narrowed.clear()
                await self._ask_rights()
                self._viewer.resync()  # what was held back meanwhile is in the store
            await self.check()

    async def _ask_rights(self) -> None:
        view, lasts_s = await database_sync_to_async(self._view)()
        self._asked = time.monotonic()
        self._ends = self._asked + lasts_s + JUST_AFTER_S
        if view is None:
            raise Ended(CLOSE_REFUSED, "you may not see this, or no longer")
        if self._viewer.watch(view.devices, view.told, view.since):
            await self._hub.route(self._viewer)

    def _note_look(self) -> None:
        """Keep, once for each opening, that somebody follows one patient or a ward live."""
        if self._patient_id is not None:
            record_access(user=self._user, patient=Patient.objects.get(pk=self._patient_id), what="live")
        else:
            record_list_access(user=self._user, patients=map(UUID, self._viewer.watched.values()), what="ward")

    def _view(self) -> tuple[View | None, float]:
        """Return what may be seen, and for how many seconds unless somebody changes it."""
        # The ward board goes on while nobody is near; one patient's page does not.
        holder = holder_of(self._session_key, while_away=self._patient_id is None)
        if holder is None or holder.user.pk != self._user.pk:
            return None, 0.0
        view = view_for(self._user.pk, self._patient_id, fresh=holder.fresh)
        ends = min(holder.until, view.until) if view and view.until else holder.until
        return view, max((ends - timezone.now()).total_seconds(), 0.0)

    async def check(self) -> None:
        """Ask the policy again when its last answer is old."""
        if time.monotonic() - self._asked >= self._may_wait_s(RIGHTS_HOLD_S):
            await self._ask_rights()

    def _may_wait_s(self, heard_s: float) -> float:
        return heard_s if self._hub.subscribed.is_set() else min(heard_s, RIGHTS_UNHEARD_S)

    def narrowed(self, user_ids: Collection[int]) -> None:
        """Ask the policy at once: what these people may see has shrunk."""
        if self._user.pk in user_ids:
            self._narrowed.set()

    def moved(self) -> None:
        """Ask the policy at once: a device that this page shows has changed hands."""
        self._narrowed.set()

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
