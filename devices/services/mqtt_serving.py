"""Keeps the bridge connected: comes back after every interruption of the broker, and ends cleanly when told to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import ssl

from devices.services.admission import MAX_MESSAGE_BYTES
from devices.services.ingest import ingest, stop_ingest
from devices.services.mqtt import Bridge, bridge_news
from devices.transport.address import BrokerAddress
from devices.transport.broker import Broker, BrokerLost, Will, connect_broker

log = logging.getLogger(__name__)

BACKOFF_FIRST_S, BACKOFF_MOST_S = 0.5, 30.0
MAX_PACKET_BYTES = MAX_MESSAGE_BYTES + 4096  # what is over the limit by a little is refused by name, not by the broker
MAX_WAITING_BYTES = 64 * 1024 * 1024


async def serve(address: BrokerAddress, stop: asyncio.Event, tls: ssl.SSLContext | None = None) -> None:
    """Run the bridge until `stop` is set; then let the writer finish what it has.

    tls: how to check the broker's certificate and which to show; the system's authorities and none unless given.
    """
    failures = 0
    try:
        while not stop.is_set():
            try:
                name = os.urandom(4).hex()
                async with _broker(address, name, tls) as broker:
                    log.info("connected to the MQTT broker at %s:%d", address.host, address.port)
                    failures = 0
                    await _until(stop, Bridge(broker, address, ingest(), name))
            except BrokerLost as error:
                log.warning("%s", error)
            await _pause(stop, random.uniform(0.1, min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2.0**failures)))  # noqa: S311
            failures = min(failures + 1, 10)
    finally:
        await asyncio.to_thread(stop_ingest)


def _broker(
    address: BrokerAddress, name: str, tls: ssl.SSLContext | None
) -> contextlib.AbstractAsyncContextManager[Broker]:
    return connect_broker(
        address,
        identifier=f"{address.root}/bridge-{name}",
        tls=(tls or ssl.create_default_context()) if address.tls else None,
        most_message_bytes=MAX_PACKET_BYTES,
        most_waiting_bytes=MAX_WAITING_BYTES,
        will=Will(address.of_bridge(name), bridge_news(False)),
    )


async def _until(stop: asyncio.Event, bridge: Bridge) -> None:
    """Run the bridge until `stop` is set. Raises BrokerLost."""
    work, stopping = asyncio.create_task(bridge.run()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
    finally:
        for task in (work, stopping):
            task.cancel()
        await asyncio.gather(work, stopping, return_exceptions=True)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
