"""The agent: collects once a second, keeps a connection open, comes back after every interruption, ends cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import signal
import time

from websockets.exceptions import WebSocketException

from devices.emulator.plant import Plant, load_plant
from devices.errors import FrameMalformed, GatewayRefused
from devices.gateway.collector import Collector
from devices.gateway.config import ConfigRefused, GatewayConfig
from devices.gateway.link import DeviceSeal, Session
from devices.gateway.queue import DiskQueue, QueueUnusable
from devices.protocol.ascon import backend
from devices.transport.dial import dial

log = logging.getLogger(__name__)

BACKOFF_FIRST_S, BACKOFF_MOST_S = 0.5, 30.0
# What a network, a restarting server or a wrong answer may throw at a gateway; anything else is a mistake of ours.
INTERRUPTIONS = (OSError, WebSocketException, GatewayRefused, QueueUnusable, FrameMalformed)


class Agent:
    """A gateway at work."""

    def __init__(self, config: GatewayConfig) -> None:
        self.config = config
        keys = config.keys()
        self._seals = {device.device_id: DeviceSeal(keys[device.device_id], device.epoch) for device in config.devices}
        self._key = config.private_key()
        self._tls = config.tls()
        self._cipher = backend("numpy")  # a gateway seals a few frames a second: not worth numba's memory
        self.queue = DiskQueue(config.path(config.queue), self._seals, max_batches=config.max_batches)
        self._collector = Collector(self._plant(), self.queue, readings_per_frame=config.readings_per_frame)
        self._wake, self._stop = asyncio.Event(), asyncio.Event()
        self._failures = 0

    def _plant(self) -> Plant:
        devices = [{"device_id": device.device_id, "kind": device.kind} for device in self.config.devices]
        try:
            return load_plant(self.config.plant.entry, devices, self.config.plant.options)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigRefused(f"the plant {self.config.plant.entry} cannot be built: {error}") from error

    def stop(self) -> None:
        """Ask the agent to end: it stores what it has, waits shortly for the last acknowledgements, and closes."""
        self._stop.set()
        self._wake.set()

    async def run(self) -> None:
        """Work until `stop` is called or SIGTERM or SIGINT arrives."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        log.info("event=started gateway=%d devices=%d %s", self.config.gateway_id, len(self._seals), self._state())
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._collect())
                tasks.create_task(self._stay_connected())
        finally:
            log.info("event=stopped gateway=%d %s", self.config.gateway_id, self._state())
            self.queue.close()

    def _state(self) -> str:
        depth = self.queue.depth()
        return f"waiting={depth.waiting} dead={depth.dead} dropped={depth.dropped}"

    async def _collect(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            if await asyncio.to_thread(self._collector.collect, time.time()):
                self._wake.set()
            due = max(due + self.config.interval_s, time.monotonic())
            await self._pause(due - time.monotonic())

    async def _stay_connected(self) -> None:
        while not self._stop.is_set():
            try:
                await self._connect_once()
            except* INTERRUPTIONS as interrupted:
                level = logging.INFO if self._stop.is_set() else logging.WARNING
                log.log(level, "event=disconnected reason=%r %s", str(_first(interrupted)), self._state())
            # Full jitter, so that a ward's gateways do not all return in the same instant after an outage.
            most_s = min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2.0**self._failures)
            self._failures = min(self._failures + 1, 10)
            await self._pause(random.uniform(0.1, most_s))  # noqa: S311

    async def _connect_once(self) -> None:
        keys = {device: seal.key for device, seal in self._seals.items()}
        async with dial(self.config.server, gateway_id=self.config.gateway_id, keys=keys, tls=self._tls) as line:
            session = Session(line, self.queue, self._seals, self._cipher, self._wake, self._stop)
            await session.greet(self.config.gateway_id, self._key)
            self._failures = 0
            await session.run()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
