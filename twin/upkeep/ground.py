"""What the house stands on: settings, key files, disk, static files, database, migrations, Redis, MQTT broker."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from twin.upkeep.findings import Finding, broken, look, well

POSTGRES_AT_LEAST = 140000  # what Django 5.2 supports
CLOCK_LOOK_S, CLOCK_BROKEN_S = 2.0, 30.0  # a code of an authenticator app lives 30 s
FREE_LOOK, FREE_BROKEN_MB = 0.10, 500
SECRETS = ("SECRET_KEY", "FIELD_KEY", "ARCHIVE_KEY", "LOG_KEY")
ADDRESSES = ("DATABASE_URL", "TELEMETRY_URL", "REDIS_URL", "MQTT_URL")  # may hold passwords
OTHER_KEYS = ("FIELD_KEY_OLD", "ARCHIVE_KEY_OLD", "IMAGING_OPENING_KEY")
FILES = tuple(f"{name}_FILE" for name in (*SECRETS, *OTHER_KEYS, *ADDRESSES))
SECRET_CHARACTERS = 32
QUEUE_LOOK, QUEUE_BROKEN = 200, 2000  # tasks that wait
ANSWER_S = 3.0


def check_settings() -> Iterator[Finding]:
    """Look at what the environment says."""
    wrong = [name for name in SECRETS if len(getattr(settings, name)) < SECRET_CHARACTERS]
    if wrong:
        yield look("settings", f"short: {', '.join(wrong)}", "make it of 48 random bytes before the house is used")
    values = [getattr(settings, name) for name in SECRETS]
    if len(set(values)) < len(values):
        yield broken("settings", "two secrets are the same", "give each of the four keys a text of its own")
    if settings.DEBUG:
        yield broken("settings", "MEDTWIN_DEBUG is on", "take it out: error pages show what must not be shown")
    if "*" in settings.ALLOWED_HOSTS:
        yield broken("settings", "ALLOWED_HOSTS takes any name", "name the host names that the proxy serves")
    if settings.EMBEDDED:
        yield well("settings", "embedded mode")
        return
    if settings.DEMO:
        yield broken("settings", "MEDTWIN_DEMO is on", "take it out: demo sign-ins are not for a hospital")
    if not settings.BEHIND_TLS:
        yield look("settings", "MEDTWIN_TLS=no: cookies travel in the clear", "put a TLS proxy in front, take it out")
    yield well("settings", "production mode")


def check_key_files() -> Iterator[Finding]:
    """Look at who may read the files that secrets lie in."""
    named = {name: Path(os.environ[name]) for name in FILES if os.environ.get(name)}
    bad = [name for name, path in sorted(named.items()) if path.is_file() and _open_to_others(path)]
    gone = [name for name, path in sorted(named.items()) if not path.is_file()]
    if bad:
        yield broken("key files", f"anybody here may read: {', '.join(bad)}", "chmod 640 or 600; make fresh ones")
    if gone:
        yield broken("key files", f"not there: {', '.join(gone)}", "bring the file, or mend the path")
    plain = [name for name in SECRETS if os.environ.get(name)]
    if plain:
        yield look("key files", f"in the environment: {', '.join(plain)}", "put each in a file, named in NAME_FILE")
    if not (bad or gone or plain):
        yield well("key files", f"{len(named)} files, for their owner and group alone")


def check_disk() -> Iterator[Finding]:
    """Look at the room that is left where the house writes."""
    places = {"MEDTWIN_HOME": settings.HOME, "IMAGING_DIR": settings.IMAGING_DIR, "EXPORTS_DIR": settings.EXPORTS_DIR}
    for name, place in places.items():
        there = _existing(Path(place))
        usage = shutil.disk_usage(there)
        free_mb = usage.free // 1_000_000
        said = f"{name}: {free_mb:,} MB free of {usage.total // 1_000_000:,}"
        if not os.access(there, os.W_OK):
            yield broken("disk", f"{name} cannot be written by this user", "give the service's user the folder")
        elif free_mb < FREE_BROKEN_MB:
            yield broken("disk", said, "free some room now: nothing more can be stored soon")
        elif usage.free < FREE_LOOK * usage.total:
            yield look("disk", said, "add room, or lower MEDTWIN_FRAMES_KEPT_DAYS")
        else:
            yield well("disk", said)


def check_static() -> Iterator[Finding]:
    """Look whether pages will find their style and scripts."""
    if settings.STATIC_ROOT is None or (Path(settings.STATIC_ROOT) / "css" / "tokens.css").exists():
        yield well("static files", "in place")
    else:
        yield broken("static files", "not collected", "python manage.py collectstatic --noinput, then restart web")


def check_database() -> Iterator[Finding]:
    """Ask the database for its version and its clock. Raises DatabaseError."""
    before = time.time()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version_num')::int, extract(epoch from clock_timestamp())")
            version, clock = cursor.fetchone()
        if version < POSTGRES_AT_LEAST:
            yield broken("database", f"PostgreSQL {version // 10000} is too old", "upgrade to PostgreSQL 14 or newer")
        else:
            yield well("database", f"PostgreSQL {version // 10000} answers")
        yield _clock("database", float(clock) - (before + time.time()) / 2)
    else:
        with connection.cursor() as cursor:
            cursor.execute("SELECT sqlite_version()")
            yield well("database", f"SQLite {cursor.fetchone()[0]} answers")


def check_migrations() -> Iterator[Finding]:
    """Look whether database and software fit. Raises DatabaseError."""
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    unknown = set(executor.loader.applied_migrations) - set(executor.loader.disk_migrations or {})
    ours = {app for app, _name in executor.loader.graph.leaf_nodes()}
    newer = [app for app, _name in unknown if app in ours and app in {"twin", "imaging", "devices", "compliance"}]
    if missing:
        yield broken("migrations", f"{missing} not applied", "python manage.py migrate")
    elif newer:
        yield broken("migrations", "the database is newer than this software", "install the release that wrote it")
    else:
        yield well("migrations", "all applied")


def check_redis() -> Iterator[Finding]:
    """Ask Redis whether it answers, what it does when full, and how much waits. Raises RedisError."""
    with redis.Redis.from_url(settings.HUB_URL, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S) as client:
        client.ping()
        memory = client.info("memory")
        policy, most = memory.get("maxmemory_policy", "noeviction"), int(memory.get("maxmemory", 0))
        seconds, microseconds = client.time()
        drift_s = seconds + microseconds / 1e6 - time.time()
    if most and policy != "noeviction":
        yield look("Redis", f"throws tasks away when full ({policy})", "set maxmemory-policy noeviction")
    else:
        yield well("Redis", "answers")
    if abs(drift_s) > CLOCK_LOOK_S:
        yield _clock("Redis", drift_s)
    with redis.Redis.from_url(_queue_url(), socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S) as client:
        waiting = int(str(client.llen(settings.CELERY_TASK_DEFAULT_QUEUE)))
    if waiting < QUEUE_LOOK:
        yield well("task queue", f"{waiting} waiting")
    else:
        judge = broken if waiting >= QUEUE_BROKEN else look
        yield judge("task queue", f"{waiting} waiting", "start more workers; see their logs for what holds them up")


def check_broker() -> Iterator[Finding]:
    """Knock at the MQTT broker: a sign-in would take the bridge's own connection away. Raises OSError."""
    if not settings.MQTT_URL:
        yield well("MQTT broker", "none is named")
        return
    parts = urlsplit(settings.MQTT_URL)
    port = parts.port or (8883 if parts.scheme == "mqtts" else 1883)
    with socket.create_connection((parts.hostname or "", port), timeout=ANSWER_S):
        yield well("MQTT broker", "listens")


def _queue_url() -> str:
    """Return Celery's broker as the client knows it: in embedded mode it is a socket under another name."""
    return settings.REDIS_URL or f"unix://{settings.VALKEY_SOCKET}?db=0"


def _open_to_others(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IRWXO)


def _existing(place: Path) -> Path:
    while not place.exists() and place != place.parent:
        place = place.parent
    return place


def _clock(whose: str, drift_s: float) -> Finding:
    said = f"{whose} and this computer are {abs(drift_s):.1f} s apart"
    if abs(drift_s) < CLOCK_LOOK_S:
        return well("clock", said)
    judge = broken if abs(drift_s) >= CLOCK_BROKEN_S else look
    return judge("clock", said, "set both by NTP: second factors, alarms and proofs go by the time")
