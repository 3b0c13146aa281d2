"""No request's body may be longer than the house takes, and nobody learns that later than after one byte too many.

Django writes a body to disk before a view can say who sent it; so the limit stands before Django.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from channels.db import database_sync_to_async

from compliance.errors import BodyTooLarge
from compliance.models import EventCategory
from compliance.services.events import record_error

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[..., Awaitable[None]]


class BodyLimit:
    """ASGI application that passes HTTP requests on whose bodies have at most `most` bytes, and answers 413 else."""

    def __init__(self, application: Application, most: int) -> None:
        self._application, self._most = application, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if declared(scope) > self._most:
            await refuse(send)
            return
        heard, answered = 0, False

        async def counted() -> dict[str, Any]:
            nonlocal heard
            event = await receive()
            heard += len(event.get("body", b""))
            # Django gives a request up, and removes what it kept of it, when the client leaves.
            return {"type": "http.disconnect"} if heard > self._most else event

        async def noted(event: dict[str, Any]) -> None:
            nonlocal answered
            answered = True
            await send(event)

        await self._application(scope, counted, noted)
        if heard > self._most and not answered:
            await refuse(send)


def declared(scope: Scope) -> int:
    """Return the length that a request says its body has; 0 where it says none."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0


async def refuse(send: Send) -> None:
    """Answer 413 and keep that somebody tried."""
    error = BodyTooLarge()
    await database_sync_to_async(record_error)(error, category=EventCategory.SECURITY)
    headers = [(b"content-type", b"application/json"), (b"connection", b"close"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": error.http_status, "headers": headers})
    body = json.dumps({"error": error.code, "message": error.message}).encode()
    await send({"type": "http.response.body", "body": body})
