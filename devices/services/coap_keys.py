"""The OSCORE contexts of this process: one for each gateway that called, made when it first does."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from channels.db import database_sync_to_async

from devices.services.coap_secrets import ReservedNumbers, secret_marks, secret_of
from devices.transport.oscore import Context, server_context

SECRET_AGAIN_S = 1.0  # how soon a gateway without a secret is looked up again


class Loaded(NamedTuple):
    """A gateway's context. mark: of the secret that it was made of."""

    mark: bytes
    context: Context
    numbers: ReservedNumbers


class Keys:
    """Asked for gateways of the registry alone, so that strangers make nothing grow here."""

    def __init__(self) -> None:
        self._loaded: dict[int, Loaded] = {}
        self._none_until: dict[int, float] = {}
        self._locks: dict[int, asyncio.Lock] = {}

    async def __call__(self, gateway_id: int) -> Context | None:
        """Return a gateway's context; None when it has no secret."""
        found = self._loaded.get(gateway_id)
        if (found is None or found.numbers.low) and self._none_until.get(gateway_id, 0.0) <= time.monotonic():
            async with self._locks.setdefault(gateway_id, asyncio.Lock()):
                await self._load(gateway_id)
            found = self._loaded.get(gateway_id)
        return found.context if found else None

    async def drop_renewed(self) -> list[int]:
        """Forget the contexts of gateways that have another secret by now, or none; return these gateways."""
        now = await database_sync_to_async(secret_marks)(list(self._loaded))
        stale = [key for key, loaded in self._loaded.items() if key in now and now[key] != loaded.mark]
        for gateway_id in stale:
            del self._loaded[gateway_id]
        return stale

    async def _load(self, gateway_id: int) -> None:
        found = self._loaded.get(gateway_id)
        if found is not None:
            if found.numbers.low:
                await database_sync_to_async(found.numbers.reserve)()
            return
        secret = await database_sync_to_async(secret_of)(gateway_id)
        if secret is None:
            self._none_until[gateway_id] = time.monotonic() + SECRET_AGAIN_S
            return
        numbers = ReservedNumbers(gateway_id)
        await database_sync_to_async(numbers.reserve)()
        context = server_context(secret.raw, gateway_id, numbers)
        self._loaded[gateway_id] = Loaded(secret.mark, context, numbers)
