"""Ports for servers that a test starts as processes: one user each, however many test processes share this machine.

A port that was asked for by binding 0 and let go again may be given to anybody's outgoing connection before the server
binds it. These lie below the range from which systems take those, and are locked as long as this process lives.
"""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from itertools import chain
from pathlib import Path
from typing import IO

FIRST, END = 20_000, 30_000
_claims: dict[int, IO[bytes]] = {}


def claim_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens and that no other test gets."""
    start = FIRST + os.getpid() * 16 % (END - FIRST)  # neighbours begin to look in different places
    for port in chain(range(start, END), range(FIRST, start)):
        if port not in _claims and _claim(port):
            return port
    raise RuntimeError(f"every port from {FIRST} to {END} is taken by a test on this machine")


def _claim(port: int) -> bool:
    lock = (Path(tempfile.gettempdir()) / f"medtwin-test-port-{port}.lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except OSError:
        lock.close()
        return False
    _claims[port] = lock
    return True
