"""Whether this process can serve: what a load balancer wants to know before it sends people here."""

from __future__ import annotations

from dataclasses import dataclass

import redis
from django.conf import settings
from django.db import Error, connection

ANSWER_S = 1.0


@dataclass(frozen=True, slots=True)
class Readiness:
    """ready: pages can be served. without: what is missing, by name."""

    ready: bool
    without: tuple[str, ...]


def readiness() -> Readiness:
    """Ask the database and Redis. Without Redis pages go on, more slowly: that takes no process out of service."""
    database, broker = _database_answers(), _redis_answers()
    missing = [name for name, there in (("database", database), ("redis", broker)) if not there]
    return Readiness(database, tuple(missing))


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return False
    return True


def _redis_answers() -> bool:
    try:
        with redis.Redis.from_url(settings.HUB_URL, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
