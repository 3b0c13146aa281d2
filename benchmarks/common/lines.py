"""The servers of MQTT and CoAP, each as processes of its own on a free port of loopback."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.ingest.processes import ROOT, wait_for_port
from compliance.measuring import Absent


@contextmanager
def mqtt_server(home: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Run a Mosquitto and a bridge; yield the broker's address. Raises Absent where there is no Mosquitto."""
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise Absent("mosquitto (Debian, Ubuntu: apt install mosquitto)")
    port = free_port()
    config = home / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser {getpass.getuser()}\n")
    url = f"mqtt://127.0.0.1:{port}"
    with _process([program, "-c", str(config)], home, environment) as broker:
        wait_for_port(port, broker, home / "server.log")
        with _process([sys.executable, "manage.py", "serve_mqtt"], home, {**environment, "MQTT_URL": url}):
            yield url


@contextmanager
def coap_server(home: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Run the CoAP server; yield its address."""
    port = free_port()
    command = [sys.executable, "manage.py", "serve_coap", "--host", "127.0.0.1", "--port", str(port)]
    with _process(command, home, environment):
        yield f"coap://127.0.0.1:{port}"


def free_port() -> int:
    """Return a port of loopback on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _process(command: list[str], home: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with (home / "server.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=dict(environment), stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)
