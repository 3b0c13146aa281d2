"""A body that is too long is answered with 413 and kept as an event, declared or not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from compliance.models import Event
from twin.body_limit import BodyLimit

pytestmark = pytest.mark.django_db(transaction=True)


async def _reads_all(_scope: Any, receive: Any, send: Any) -> None:
    while (event := await receive())["type"] == "http.request" and event.get("more_body"):
        pass
    if event["type"] == "http.request":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def _ask(*pieces: bytes, declared: int | None = None) -> tuple[int, bytes]:
    waiting = [
        {"type": "http.request", "body": piece, "more_body": place < len(pieces)}
        for place, piece in enumerate(pieces, start=1)
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    headers = [] if declared is None else [(b"content-length", str(declared).encode())]
    asyncio.run(BodyLimit(_reads_all, 10)({"type": "http", "headers": headers}, receive, send))
    return sent[0]["status"], sent[1]["body"]


@pytest.mark.parametrize(("pieces", "declared"), [((b"x" * 11,), None), ((b"x" * 6, b"x" * 5), None), ((b"",), 11)])
def test_a_body_that_is_too_long_is_refused_and_noted(pieces, declared):
    status, body = _ask(*pieces, declared=declared)
    assert (status, json.loads(body)["error"]) == (413, "body_too_large")
    assert Event.objects.get(code="body_too_large").category == "security"


def test_a_body_of_just_that_length_passes():
    assert _ask(b"x" * 5, b"x" * 5, declared=10) == (200, b"")
    assert not Event.objects.exists()
