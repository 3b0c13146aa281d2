"""Listens for gateways over CoAP until told to stop; then lets the writer finish what it has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from devices.services.coap import Server
from devices.services.ingest import ingest, stop_ingest

log = logging.getLogger(__name__)


@asynccontextmanager
async def listening(host: str, port: int) -> AsyncIterator[int]:
    """Serve gateways on this UDP port, 0 for any that is free; yield which. Raises OSError when it is taken."""
    writer = ingest()
    await writer.gateway(0)  # nobody's number: waits until the registry was read
    server = Server(writer)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: server.endpoint, local_addr=(host, port))
    sweeping = asyncio.create_task(server.sweep())
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)
        await server.endpoint.close()
        server.close()


async def serve(host: str, port: int, stop: asyncio.Event) -> None:
    """Serve until `stop` is set. Raises OSError when the port is taken."""
    try:
        async with listening(host, port) as bound:
            log.info("listening for CoAP on %s, UDP port %d", host, bound)
            await stop.wait()
    finally:
        await asyncio.to_thread(stop_ingest)
