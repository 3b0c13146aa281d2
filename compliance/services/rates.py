"""How often somebody did something in the last minute, counted in the broker that all processes share.

While the broker does not answer, each process counts for itself: a limit gets looser, and nobody is refused for it.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

import redis
from django.conf import settings
from django.http import HttpRequest
from redis.exceptions import RedisError

log = logging.getLogger(__name__)
BROKER_TIMEOUT_S = 0.25
BROKER_REST_S = 5.0  # after a failure: a page must not wait for a dead broker each time
MOST_KEPT = 20_000  # counters of this process while there is no broker


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `times` within each window of `window_s` seconds."""

    name: str
    times: int
    window_s: int = 60


def address_of(request: HttpRequest) -> str:
    """Return the address from which a request came; behind a proxy the server is told to believe it
    (docs/operations.md)."""
    return str(request.META.get("REMOTE_ADDR") or "unknown")


class Counters:
    """Fixed windows, in the broker where it answers."""

    def __init__(self, url: str) -> None:
        self._broker = redis.Redis.from_url(
            url, socket_timeout=BROKER_TIMEOUT_S, socket_connect_timeout=BROKER_TIMEOUT_S
        )
        self._rests_until = 0.0
        self._own: dict[str, tuple[int, float]] = {}  # the count, and when its window is over
        self._lock = threading.Lock()

    def count(self, key: str, add: int, now: float, window_s: int) -> int:
        """Add to the counter of the window that holds `now` and return it."""
        key = f"rate:{key}:{int(now) // window_s}"
        if time.monotonic() >= self._rests_until:
            try:
                with self._broker.pipeline(transaction=False) as pipeline:
                    pipeline.incrby(key, add)
                    pipeline.expire(key, 2 * window_s)
                    return int(pipeline.execute()[0])
            except RedisError as error:
                log.warning("rates are counted by this process alone: %s", type(error).__name__)
                self._rests_until = time.monotonic() + BROKER_REST_S
        return self._count_here(key, add, now, window_s)

    def _count_here(self, key: str, add: int, now: float, window_s: int) -> int:
        with self._lock:
            if len(self._own) >= MOST_KEPT:
                self._own = {known: kept for known, kept in self._own.items() if kept[1] > now}
            if len(self._own) >= MOST_KEPT:
                self._own.clear()  # looser for a moment, rather than ever larger
            counted = self._own.get(key, (0, 0.0))[0] + add
            self._own[key] = counted, now + window_s
            return counted

    def forget(self) -> None:
        """Start anew, here and in the broker."""
        self._own.clear()
        if time.monotonic() >= self._rests_until:
            try:
                if keys := list(self._broker.scan_iter("rate:*")):
                    self._broker.delete(*keys)
            except RedisError:
                self._rests_until = time.monotonic() + BROKER_REST_S


_counters: Counters | None = None


def counters() -> Counters:
    """Return this process's counters."""
    global _counters
    if _counters is None:
        _counters = Counters(settings.HUB_URL)
    return _counters


def spend(limit: Limit, who: str, now: float) -> int:
    """Count one act of `who`. Return 0 when it is within the limit, else the seconds until the next window."""
    counted = counters().count(f"{limit.name}:{who}", 1, now, limit.window_s)
    return 0 if counted <= limit.times else _until_next(limit, now)


def spent(limit: Limit, who: str, now: float) -> int:
    """Return what `spend` would, without counting."""
    counted = counters().count(f"{limit.name}:{who}", 0, now, limit.window_s)
    return 0 if counted < limit.times else _until_next(limit, now)


def _until_next(limit: Limit, now: float) -> int:
    return max(1, limit.window_s - int(now) % limit.window_s)
