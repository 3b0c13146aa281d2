"""A lock between the processes of one machine: a file that the operating system lets go of when its holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from devices.errors import StoreUnavailable

_LOOK_EVERY_S = 0.002


@contextlib.contextmanager
def locked(path: Path, within_s: float) -> Iterator[None]:
    """Hold the lock of that file. Raises StoreUnavailable when another process has not let go of it `within_s`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreUnavailable(f"The telemetry store cannot be locked: {error.strerror}.") from error
    try:
        _take(handle, within_s)
        yield
    finally:
        os.close(handle)


def _take(handle: int, within_s: float) -> None:
    until = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > until:
                raise StoreUnavailable(
                    "Another process holds on to the devices that it shares with this one."
                ) from error
            time.sleep(_LOOK_EVERY_S)
        else:
            return
