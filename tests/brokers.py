"""Redis databases for tests: one user each, however many test processes share the server on this machine.

A queue left by one ward, or a worker that looks into another's queue, would make tests see each other's tasks.
"""

from __future__ import annotations

import fcntl
import tempfile
from pathlib import Path
from typing import IO

import redis

NUMBERS = range(1, 16)  # a Redis server has 16 databases unless configured otherwise; 0 is whoever's it is
_claims: dict[str, tuple[int, IO[bytes]]] = {}


def claim_redis(url: str, purpose: str) -> str:
    """Return `url` with the number of an empty database that this process alone uses for `purpose`.

    The claim is a lock on a file, which ends with the process, even when it is killed. Claiming for the same purpose
    again returns the same database, emptied.
    """
    if purpose not in _claims:
        _claims[purpose] = _lock_a_number()
    claimed = f"{url.rsplit('/', 1)[0]}/{_claims[purpose][0]}"
    with redis.Redis.from_url(claimed) as client:
        client.flushdb()
    return claimed


def _lock_a_number() -> tuple[int, IO[bytes]]:
    for number in NUMBERS:
        lock = (Path(tempfile.gettempdir()) / f"medtwin-test-redis-{number}.lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return number, lock
    raise RuntimeError("every Redis database is taken by another test run on this machine: wait for it to end")
