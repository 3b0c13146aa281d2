"""The hub of a web process: one subscription to the broker, from which every open page is served.

The broker may forget or vanish: a group that is missing, or a connection that was lost, makes every page read the
store, and while there is no broker at all they do so every second. A picture can be late; it cannot stay wrong.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

import msgspec
import numpy as np
import redis.asyncio
from numpy.typing import NDArray
from redis.exceptions import RedisError

from devices.kinds.registry import by_code
from devices.telemetry import READING, Reading
from twin.live.messages import WaveformMessage
from twin.live.viewer import History, Viewer
from twin.live.wire import Channels, Group, Note, decode_group, decode_note
from twin.state import TwinStates

log = logging.getLogger(__name__)
POLL_S = 1.0  # how often pages read the store while there is no broker
CHECK_S = 10.0  # how often a silent broker is asked whether it is still there


class Hub:
    """Routes what the broker says to the pages that watch it. Everything runs on one event loop."""

    def __init__(self, url: str, channels: Channels, history: History) -> None:
        self._url, self._channels, self._history = url, channels, history
        self._routes: dict[Viewer, frozenset[int]] = {}
        self._watchers: dict[int, set[Viewer]] = {}
        self._watched = np.empty(0, np.uint32)
        self._states = TwinStates()
        self._numbers: dict[int, int] = {}  # publisher -> number of its last group
        self._task: asyncio.Task[None] | None = None
        self.loop = asyncio.get_running_loop()
        self.subscribed = asyncio.Event()

    @property
    def viewers(self) -> int:
        """How many pages are open."""
        return len(self._routes)

    async def join(self, viewer: Viewer) -> None:
        """Begin to serve a page. The first one starts the subscription."""
        await self.route(viewer)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen(), name="hub")

    async def route(self, viewer: Viewer) -> None:
        """Send the page what it watches now and nothing else.

        A device that nobody watched before brings its state from the store, so that late readings are known as late.
        """
        before, after = self._routes.get(viewer, frozenset()), frozenset(viewer.watched)
        fresh = [device for device in after if device not in self._watchers]
        self._routes[viewer] = after
        for device in after - before:
            self._watchers.setdefault(device, set()).add(viewer)
        self._unwatch(before - after, viewer)
        if fresh:
            rows = await asyncio.to_thread(self._history.latest, fresh)
            self._states.merge(as_array(rows))

    def leave(self, viewer: Viewer) -> None:
        """Stop serving a page. The last one ends the subscription."""
        self._unwatch(self._routes.pop(viewer, frozenset()), viewer)
        if not self._routes and self._task is not None:
            self._task.cancel()
            self._task = None
            self.subscribed.clear()

    def _unwatch(self, devices: frozenset[int], viewer: Viewer) -> None:
        for device in devices:
            self._watchers[device].discard(viewer)
            if not self._watchers[device]:
                del self._watchers[device]
        self._watched = np.array(sorted(self._watchers), np.uint32)

    async def _listen(self) -> None:
        while True:
            try:
                await self._subscribe()
            except (RedisError, OSError) as error:
                log.warning("no live broker, pages read the store: %s", error)
            self.subscribed.clear()
            await asyncio.sleep(POLL_S)
            self._resync_all()

    async def _subscribe(self) -> None:
        client = redis.asyncio.Redis.from_url(self._url, health_check_interval=CHECK_S)
        async with client, client.pubsub(ignore_subscribe_messages=True) as subscription:
            await subscription.subscribe(*self._channels)
            self._numbers.clear()
            self._resync_all()  # what was published before this moment was not heard
            self.subscribed.set()
            readings = self._channels.readings.encode()
            while True:
                message = await subscription.get_message(timeout=CHECK_S)
                if message is None:
                    continue
                try:
                    if message["channel"] == readings:
                        self._take_group(decode_group(message["data"]))
                    else:
                        note = decode_note(message["data"])
                        self._take_note(note)
                except msgspec.DecodeError:
                    log.warning("the broker brought something unreadable on %s", message["channel"])

    def _take_note(self, note: Note) -> None:
        for viewer in self._routes:
            if note["type"] == "narrowed":
                viewer.narrowed(note["users"])
            elif note["type"] == "moved":
                viewer.moved(note["device"])
            else:
                viewer.take_note(note)

    def _resync_all(self) -> None:
        for viewer in self._routes:
            viewer.resync()

    def _take_group(self, group: Group) -> None:
        expected = self._numbers.get(group.publisher, group.number - 1) + 1
        self._numbers[group.publisher] = group.number
        if group.number != expected:
            self._resync_all()
        self._route_readings(*group.readings())
        for block in group.blocks:
            for viewer in self._watchers.get(block.device, ()):
                if not viewer.newest_only:
                    patient = viewer.watched.get(block.device)
                    if patient is None:  # it is just changing hands
                        continue
                    viewer.take_block(
                        WaveformMessage(
                            type="waveform",
                            patient=patient,
                            device=block.device,
                            metric=by_code(block.metric).key,
                            seq=block.seq,
                            t0=block.t0,
                            period_s=block.period_s,
                            samples=block.values,
                        )
                    )

    def _route_readings(self, readings: NDArray[np.void], received: NDArray[np.float64]) -> None:
        watched = np.flatnonzero(np.isin(readings["device"], self._watched))
        if len(watched) == 0:
            return
        readings, received = readings[watched], received[watched]
        advanced = self._states.merge(readings)
        order = np.argsort(readings["device"], kind="stable")
        devices, starts = np.unique(readings["device"][order], return_index=True)
        for device, rows in zip(devices.tolist(), np.split(order, starts[1:]), strict=True):
            everything = as_rows(readings[rows], received[rows])
            newest = [row for row, is_newest in zip(everything, advanced[rows].tolist(), strict=True) if is_newest]
            for viewer in self._watchers[device]:
                viewer.take(newest if viewer.newest_only else everything)


def as_rows(readings: NDArray[np.void], received: NDArray[np.float64]) -> list[Reading]:
    """Return readings as the store gives them."""
    columns = [readings[name].tolist() for name in ("device", "seq", "metric", "t", "value")]
    return [Reading(*row) for row in zip(*columns, received.tolist(), strict=True)]


def as_array(rows: Iterable[Reading]) -> NDArray[np.void]:
    """Return rows of the store as READING[n]."""
    return np.array([(row.device, row.metric, row.seq, row.t, row.value) for row in rows], READING)
