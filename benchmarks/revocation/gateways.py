"""A gateway on any line that is shut out while it is connected, and when it hears of it."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.exceptions import ConnectionClosed

from devices.protocol.hello import make_hello
from devices.transport.dial import CoapKeys, dial

if TYPE_CHECKING:
    from compliance.models import Ward

WITHIN_S = 60.0
SETTLE_S = 0.15


def shut_out(url: str, ward: Ward, folder: Path, number: int) -> float:
    """Return the seconds from the change of a connected gateway's row to the end of its line."""
    key = Ed25519PrivateKey.generate()
    gateway_id, secret = _register(ward, f"{url} {number}", key.public_key().public_bytes_raw())
    coap = CoapKeys(secret, folder / f"{gateway_id}.numbers")
    return asyncio.run(_shut_out(url, gateway_id, key, coap, number))


async def _shut_out(url: str, gateway_id: int, key: Ed25519PrivateKey, coap: CoapKeys, number: int) -> float:
    async with asyncio.timeout(WITHIN_S), AsyncExitStack() as opened:
        line = await _greeted(opened, url, gateway_id, key, coap)
        await asyncio.sleep(SETTLE_S + 0.037 * (number % 10))  # anywhere between two looks at the marks
        began = await asyncio.to_thread(_quarantine, gateway_id)
        await _ended(line)
        return time.monotonic() - began


async def _greeted(opened: AsyncExitStack, url: str, gateway_id: int, key: Ed25519PrivateKey, coap: CoapKeys) -> Any:
    """Return a line on which the gateway was let in, trying again until the server is there."""
    while True:
        try:
            line = await opened.enter_async_context(dial(url, gateway_id=gateway_id, keys={}, tls=None, coap=coap))
        except OSError:
            await asyncio.sleep(0.2)
            continue
        said = json.loads(await line.recv())
        while said["type"] == "challenge":
            hello = make_hello(said, gateway_id=gateway_id, software="bench", key=key)
            await line.send(json.dumps(hello))
            said = json.loads(await line.recv())
        if said["type"] != "welcome":
            raise RuntimeError(str(said))
        return line


async def _ended(line: Any) -> None:
    try:
        while json.loads(await line.recv())["type"] not in ("refused", "challenge"):
            pass
    except (OSError, ConnectionClosed):
        return


def _register(ward: Ward, name: str, public_key: bytes) -> tuple[int, bytes]:
    from devices.services.coap_secrets import renew_secret
    from devices.services.registry import register_gateway

    gateway = register_gateway(name=name[:80], ward=ward, public_key=public_key)
    return gateway.pk, renew_secret(gateway)


def _quarantine(gateway_id: int) -> float:
    """Change the row, in a thread of its own; return when that was done (monotonic clock)."""
    from django.db import connection

    from devices.models import Gateway

    Gateway.objects.filter(pk=gateway_id).update(state="quarantined")
    done = time.monotonic()
    connection.close()  # this thread's: a database that somebody uses cannot be dropped in the end
    return done
