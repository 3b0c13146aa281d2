"""Waiting for something over the air: whatever bumble raises becomes one of our named errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from bumble.att import ATT_Error
from bumble.core import BaseBumbleError, ProtocolError

from devices.bluetooth.errors import LinkLost, ProcedureFailed

T = TypeVar("T")
PATIENCE_S = 40.0  # a little longer than an ATT transaction may take (Core 5.4, vol 3, part F, 3.3.3)


async def over_air(what: str, awaitable: Awaitable[T], *, within_s: float = PATIENCE_S) -> T:
    """Return the result. Raises LinkLost when the connection ended meanwhile, ProcedureFailed for anything else.

    bumble cancels its own futures when a link dies, which would look as if somebody had cancelled our task. The other
    way round, `asyncio.wait_for` of Python 3.11, which bumble uses, forgets a cancellation that comes in the moment of
    the answer; here it is remembered.
    """
    task = asyncio.current_task()
    cancellations = 0 if task is None else task.cancelling()
    try:
        async with asyncio.timeout(within_s):
            result = await awaitable
        if task is not None and task.cancelling() > cancellations:
            raise asyncio.CancelledError
        return result
    except asyncio.CancelledError as error:
        if task is not None and task.cancelling():
            raise
        raise LinkLost(f"{what}: the link was lost") from error
    except ATT_Error as error:
        raise ProcedureFailed(f"{what}: {error.error_name or error.error_code}") from error
    except ProtocolError as error:
        raise ProcedureFailed(f"{what}: {error}") from error
    except (BaseBumbleError, TimeoutError, AssertionError) as error:
        raise ProcedureFailed(f"{what}: {type(error).__name__} {error}") from error
