"""Keeps the bridge connected: comes back after every interruption of the broker, and ends cleanly when told to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import ssl

from devices.services.admission import MAX_MESSAGE_BYTES
from devices.services.ingest import ingest, stop_ingest
from devices.services.mqtt import Bridge
from devices.transport.address import BrokerAddress
from devices.transport.broker import Broker, BrokerLost, connect_broker

log = logging.getLogger(__name__)

BACKOFF_FIRST_S, BACKOFF_MOST_S = 0.5, 30.0
MAX_PACKET_BYTES = MAX_MESSAGE_BYTES + 4096  # what is over the limit by a little is refused by name, not by the broker
MAX_WAITING_BYTES = 64 * 1024 * 1024


async def serve(address: BrokerAddress, stop: asyncio.Event) -> None:
    """Run the bridge until `stop` is set; then let the writer finish what it has."""
    failures = 0
    try:
        while not stop.is_set():
            try:
                async with _broker(address) as broker:
                    log.info("connected to the MQTT broker at %s:%d", address.host, address.port)
                    failures = 0
                    await _until(stop, Bridge(broker, address, ingest()))
            except BrokerLost as error:
                log.warning("%s", error)
            await _pause(stop, random.uniform(0.1, min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2.0**failures)))  # noqa: S311
            failures = min(failures + 1, 10)
    finally:
        await asyncio.to_thread(stop_ingest)


def _broker(address: BrokerAddress) -> contextlib.AbstractAsyncContextManager[Broker]:
    return connect_broker(
        address,
        # Fixed: a new bridge ends what is left of a dead one. Two at once would do so to each other, so run one.
        identifier=f"{address.root}/bridge",
        tls=ssl.create_default_context() if address.tls else None,
        most_message_bytes=MAX_PACKET_BYTES,
        most_waiting_bytes=MAX_WAITING_BYTES,
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
