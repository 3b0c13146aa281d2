"""The agent: collects once a second, keeps a connection open, comes back after every interruption, ends cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import signal
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from websockets.exceptions import WebSocketException

from compliance.errors import DomainError
from devices.emulator.plant import Actuator, Nothing, Plant, Sample, load_plant
from devices.errors import FrameMalformed, GatewayRefused
from devices.gateway.collector import Collector
from devices.gateway.config import ConfigRefused, GatewayConfig
from devices.gateway.edge.guard import Guard
from devices.gateway.edge.journal import Journal
from devices.gateway.edge.wishes import judge
from devices.gateway.energy import Sending
from devices.gateway.greeting import greeter_of
from devices.gateway.hearing import Hearing
from devices.gateway.identity import IdentityUnusable
from devices.gateway.link import Session
from devices.gateway.losses import Losses
from devices.gateway.pace import Pace
from devices.gateway.page.snapshot import Snapshot
from devices.gateway.queue import DiskQueue, QueueUnusable
from devices.gateway.radio import tune_in
from devices.gateway.settings import Settings
from devices.gateway.state import Devices, Line, WorldClock, snapshot
from devices.gateway.turn import LineTurn
from devices.kinds.belief import believed_s
from devices.protocol.facts import Fact
from devices.protocol.suites import SUITE_NAMES, SuiteCiphers
from devices.transport.dial import dial

if TYPE_CHECKING:
    from devices.gateway.page.http import StatusPage

log = logging.getLogger(__name__)

BACKOFF_FIRST_S, BACKOFF_MOST_S = 0.5, 30.0
# What a network, a restarting server or a wrong answer may throw at a gateway; anything else is a mistake of ours.
INTERRUPTIONS = (
    OSError,
    WebSocketException,
    GatewayRefused,
    QueueUnusable,
    FrameMalformed,
    IdentityUnusable,
    ConfigRefused,
)


class Agent:
    """A gateway at work."""

    def __init__(self, config: GatewayConfig) -> None:
        self.config = config
        kept = config.path(config.queue).with_suffix(".settings.json")
        self.settings = Settings(kept, self._device_ids(), partial(judge, config.edge, self._kinds()))
        self._greeter = greeter_of(config, self.settings)
        config.tls()  # what cannot be used is said at the start, not at the first connection
        config.coap()
        self._ciphers = SuiteCiphers(small=True)
        self.queue = DiskQueue(config.path(config.queue), self._device_ids(), max_bytes=config.max_queue_bytes)
        self.clock = WorldClock(config.plant.begin, config.plant.speed)
        plant = self._plant()
        self.radio = tune_in(config, plant, self.queue, self.clock.now)
        self.guard = self._guard(plant)
        self._collector = Collector(
            self.radio or plant,
            self.queue,
            readings_per_frame=config.readings_per_frame,
            watch=self._look,
            thin=self.settings.thin,
        )
        self.line, self.devices = Line(), Devices(config)
        if self.radio is not None:
            self.devices.air = self.radio.health
        on_air = [device.device_id for device in config.devices if device.address]
        self._hearing = Hearing(self._device_ids(), config.radio, on_air, self.devices.air)
        self._wake, self._stop = asyncio.Event(), asyncio.Event()
        self.losses = Losses(self.queue, self._device_ids())
        self.pace = Pace(self.queue)
        self.sending = self._sending()
        self._turn = LineTurn(config.path(config.turn_file) if config.turn_file else None)
        self._failures = 0
        self.page: StatusPage | None = None

    def _sending(self) -> Sending | None:
        budget, devices = self.config.energy, self.config.devices
        if budget is None or not devices:
            return None
        suite = SUITE_NAMES[devices[0].suite]
        believed = believed_s(device.kind for device in devices)
        return Sending(budget, self._device_ids(), suite, self.pace, Path(self.config.folder), believed_s=believed)

    def _plant(self) -> Plant:
        if not self.config.plant.entry and all(device.address for device in self.config.devices):
            return Nothing()  # everything is heard over the air
        devices = [{"device_id": device.device_id, "kind": device.kind} for device in self.config.devices]
        try:
            return load_plant(self.config.plant.entry, devices, self.config.plant.options)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigRefused(f"the plant {self.config.plant.entry} cannot be built: {error}") from error

    def _guard(self, plant: Plant) -> Guard:
        edge = self.config.edge
        if edge.actuate and not isinstance(plant, Actuator):
            raise ConfigRefused(f"edge.actuate is on, but {self.config.plant.entry} can make no device act")
        journal = Journal(self.config.path(self.config.queue).with_suffix(".edge.json"))
        guard = Guard(edge, self._kinds(), journal, plant if isinstance(plant, Actuator) else None)
        guard.online = lambda: self.line.answers
        guard.wished = self.settings.rules_of
        return guard

    def _look(self, samples: list[Sample], now: float) -> list[Fact]:
        chosen = self.sending.look(samples, now) if self.sending else []
        lost = self.losses.look(now, cut_off=not self.line.answers)
        seen = [*self.devices.hear(samples, now), *self.guard.look(samples, now)]
        seen += self._hearing.look(samples, now, cut_off=not self.line.answers)
        return [*seen, *chosen, *lost, *self.settings.news(now)]

    def shown(self) -> Snapshot:
        """Return what the gateway's own page shows."""
        held, choice = self._collector.held, self.sending.choice if self.sending else None
        return snapshot(self.config, self.queue, self.guard, self.line, self.devices, held, self.clock.now(), choice)

    def _page(self) -> StatusPage | None:
        if self.config.page.port is None:
            return None
        from devices.gateway.page.http import Act, StatusPage  # its words and styles stay on the disk without a page

        acts = {
            "/acknowledge": Act("alarm", self.guard.acknowledge, "Noted: somebody has seen it.", "It was seen before."),
            "/resume": Act("pump", self.guard.resume, "The pump runs again.", "The pump did not take it, or it runs."),
        }
        return StatusPage(self.config.page, Path(self.config.folder), self.shown, acts)

    async def _serve(self, page: StatusPage) -> None:
        try:
            await page.start()
        except OSError as error:  # without its page a gateway still does all its work
            log.error("event=page_not_served reason=%r", error.strerror)

    def _device_ids(self) -> list[int]:
        return [device.device_id for device in self.config.devices]

    def _kinds(self) -> dict[int, str]:
        return {device.device_id: device.kind for device in self.config.devices}

    def stop(self) -> None:
        """Ask the agent to end: it stores what it has, waits shortly for the last acknowledgements, and closes."""
        self._stop.set()
        self._wake.set()

    async def run(self) -> None:
        """Work until `stop` is called or SIGTERM or SIGINT arrives."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        config = self.config
        log.info("event=started gateway=%d devices=%d %s", config.gateway_id, len(config.devices), self._state())
        self.page = page = self._page()
        try:
            if page is not None:
                await self._serve(page)
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(self.radio.run()) if self.radio else None
                tasks.create_task(self._stay_connected())
                await self._collect()
                if listening is not None:
                    listening.cancel()
        finally:
            if page is not None:
                await page.stop()
            log.info("event=stopped gateway=%d %s", self.config.gateway_id, self._state())
            self.queue.close()

    def _state(self) -> str:
        depth = self.queue.depth()
        return f"waiting={depth.waiting} dead={depth.dead} dropped={depth.dropped}"

    async def _collect(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            if await asyncio.to_thread(self._collector.collect, self.clock.now()):
                self._wake.set()
            due = max(due + self.config.interval_s, time.monotonic())
            await self._pause(due - time.monotonic())

    async def _stay_connected(self) -> None:
        while not self._stop.is_set():
            try:
                await self._connect_once()
            except* INTERRUPTIONS as interrupted:
                level = logging.INFO if self._stop.is_set() else logging.WARNING
                why = _first(interrupted)
                self.line.down(str(why), isinstance(why, GatewayRefused))
                code = why.code if isinstance(why, DomainError) else "connection_lost"
                log.log(level, "event=disconnected code=%s reason=%r %s", code, str(why), self._state())
            # Full jitter, so that a ward's gateways do not all return in the same instant after an outage.
            most_s = min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2.0**self._failures)
            self._failures = min(self._failures + 1, 10)
            await self._pause(random.uniform(0.1, most_s))  # noqa: S311

    async def _connect_once(self) -> None:
        keys, config = self._greeter.begin(), self.config
        # Read anew for each line: the gateway may have been paired anew since, or got another certificate.
        tls, coap = await asyncio.to_thread(lambda: (config.tls(), config.coap()))
        async with dial(config.server, gateway_id=config.gateway_id, keys=keys, tls=tls, coap=coap) as line:
            session = Session(
                line, self.queue, self._greeter, self._ciphers, self._wake, self._stop, self._turn, self.pace
            )
            await session.greet()
            self._failures = 0
            self.line.up(session)
            await session.run()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
