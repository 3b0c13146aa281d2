"""Tell open pages what changed. What is told is stored elsewhere first: a dead broker delays a picture, no more."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import threading
import time
from collections.abc import Iterable
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import redis
from django.conf import settings
from redis.exceptions import RedisError

from devices.services.telemetry import store
from devices.telemetry import ReadingBatch
from twin.live.hub import Hub
from twin.live.messages import AlertMessage, Moved, Narrowed, Notice
from twin.live.wire import Channels, Note, channels_of, encode_group, encode_note

log = logging.getLogger(__name__)

PUBLISH_EVERY_S = 0.1  # groups within this time travel together
MOST_WAITING_BATCHES = 200  # beyond this the oldest are dropped: pages see the gap in the numbers and read the store
BROKER_TIMEOUT_S = 0.5
QUIET_S = 2.0  # after a failure, so that a dead broker is not asked for every group


def live_channels() -> Channels:
    """Return the channels of this installation."""
    parts = urlsplit(settings.HUB_URL)
    number = parse_qs(parts.query).get("db", [parts.path.lstrip("/") if parts.scheme != "unix" else "0"])[0]
    return channels_of(int(number) if number.isdigit() else 0)


def _connect() -> redis.Redis:
    return redis.Redis.from_url(
        settings.HUB_URL, socket_timeout=BROKER_TIMEOUT_S, socket_connect_timeout=BROKER_TIMEOUT_S
    )


class Publisher(threading.Thread):
    """Publishes committed batches from a thread of its own: the writer must never wait for the broker."""

    def __init__(self) -> None:
        super().__init__(name="publisher", daemon=True)
        self.pid = os.getpid()
        self._id, self._number = secrets.randbits(63), 0
        self._waiting: list[ReadingBatch] = []
        self._lock, self._wake = threading.Lock(), threading.Event()
        self._channel = live_channels().readings

    def take(self, batch: ReadingBatch) -> None:
        """Queue a batch."""
        with self._lock:
            self._waiting.append(batch)
            if len(self._waiting) > MOST_WAITING_BATCHES:
                self._waiting.clear()
                self._number += 1  # a number that never comes: whoever listens notices
        self._wake.set()

    def run(self) -> None:
        """Publish, until the process ends."""
        with _connect() as client:
            while True:
                self._wake.wait()
                self._wake.clear()
                with self._lock:
                    batches, self._waiting = self._waiting, []
                    self._number += 1
                    number = self._number
                try:
                    client.publish(self._channel, encode_group(self._id, number, batches))
                    time.sleep(PUBLISH_EVERY_S)
                except (RedisError, OSError) as error:
                    log.warning("readings are not live: %s", error)
                    time.sleep(QUIET_S)


_starting = threading.Lock()
_publisher: Publisher | None = None
_hub: Hub | None = None


def publish_batch(batch: ReadingBatch) -> None:
    """Tell open pages of committed readings and waveforms."""
    global _publisher
    with _starting:
        if _publisher is None or _publisher.pid != os.getpid():
            _publisher = Publisher()
            _publisher.start()
    _publisher.take(batch)


def publish_alert(message: AlertMessage) -> None:
    """Tell open pages of an alert that was raised or changed."""
    _publish_note(message)


def publish_notice(patient_id: UUID | str, panel: str) -> None:
    """Tell open pages that a panel of a patient (alerts, medication, images, devices, timeline, prediction) changed."""
    _publish_note(Notice(type="notice", patient=str(patient_id), panel=panel))


def publish_narrowed(user_ids: Iterable[int]) -> None:
    """Let open pages of these people ask the policy again now."""
    _publish_note(Narrowed(type="narrowed", users=list(user_ids)))


def publish_moved(device_id: int) -> None:
    """Let open pages hold back a device that changed hands, and ask the policy whose it is now."""
    _publish_note(Moved(type="moved", device=device_id))


def _publish_note(note: Note) -> None:
    try:
        with _connect() as client:
            client.publish(live_channels().notes, encode_note(note))
    except (RedisError, OSError) as error:
        log.warning("a %s is not live: %s", note["type"], error)


def hub() -> Hub:
    """Return the hub of the running event loop."""
    global _hub
    if _hub is None or _hub.loop is not asyncio.get_running_loop():
        _hub = Hub(settings.HUB_URL, live_channels(), store())
    return _hub
