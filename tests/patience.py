"""How long tests wait: on a condition, never on the clock, and for as long as a busy machine may need.

A wait that is in vain ends a failing test later; a wait that is too short fails a test that is right.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.testing import WebsocketCommunicator

PATIENCE_S = 60.0


def eventually(condition: Callable[[], object], timeout_s: float, what: str) -> object:
    """Return the first true answer of `condition`; fail with `what` when none came in time.

    timeout_s: for what takes long by itself. Nothing is given less than a minute.
    """
    patience_s = max(timeout_s, PATIENCE_S)
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.05)
    pytest.fail(f"not within {patience_s:.0f} s: {what}")


async def until(condition: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    """Wait until the condition holds. Raises TimeoutError; nothing is given less than a minute."""
    async with asyncio.timeout(max(within_s, PATIENCE_S)):
        while not condition():
            await asyncio.sleep(0.01)


def be_patient_with_sockets() -> None:
    """Let channels' communicators wait for an answer as long as everything else: their own second is too short."""
    waiting = [(ApplicationCommunicator, ("wait", "receive_output"))]
    waiting += [(WebsocketCommunicator, ("connect", "disconnect", "receive_from", "receive_json_from"))]
    for kind, names in waiting:
        for name in names:
            method = getattr(kind, name)
            *others, _one_second = method.__defaults__
            method.__defaults__ = (*others, PATIENCE_S)
