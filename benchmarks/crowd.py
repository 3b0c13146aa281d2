"""Ten thousand strangers at the door: `python -m benchmarks.crowd`.

A real web process, and sockets that are opened and say nothing, that send a request a byte at a time, and that open a
gateway's socket and never say hello. Meanwhile an honest page is asked for and an honest gateway greets.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import resource
import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.common.database import fresh_database
from benchmarks.revocation.house import connect, greet, server
from compliance.measuring import Absent, Report, main

STRANGERS, QUICK_STRANGERS = 10_000, 1_500
ROUNDS, QUICK_ROUNDS = 40, 10
SPARE_FILES = 1_000
HONEST_WITHIN_S = 1.0
SLOW_ENDS_WITHIN_S = 15.0  # ten seconds, and what a busy machine adds
EVENT_WITHIN_S = 20.0
UPGRADE = (
    b"GET /ws/gateway/ HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SLOW = b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "
# On a machine that opens fewer than 100 sockets a second the ten seconds of a hello end them before the room is full.
EVENTS = {
    "connection_crowded_out": ("connection_crowded_out",),
    "connection_too_slow": ("connection_too_slow",),
    "gateway_crowded_out_or_too_late": ("gateway_crowded_out", "gateway_refused"),
}
NOTES = (
    "Strangers come from one process on the same machine: what they cost its processor, the server does not have.",
    "A page is GET /account/login/ on a fresh connection; a greeting is connection, challenge, hello and welcome.",
)


def measure(report: Report, options: argparse.Namespace) -> None:
    """Fill the report."""
    count, rounds = (QUICK_STRANGERS, QUICK_ROUNDS) if options.quick else (STRANGERS, ROUNDS)
    _room_for(count + SPARE_FILES)
    os.environ["ALLOWED_HOSTS"] = "127.0.0.1"
    home = Path(tempfile.mkdtemp(prefix="medtwin-crowd-"))
    try:
        with fresh_database(home), server(home, os.environ | {"ALLOWED_HOSTS": "127.0.0.1"}) as port:
            Door(report, port, count, rounds).measure()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    for sentence in NOTES:
        report.note(sentence)


class Door:
    """The server's port, and who comes to it. strangers: how many at once."""

    def __init__(self, report: Report, port: int, strangers: int, rounds: int) -> None:
        self._report, self._port, self._strangers, self._rounds = report, port, strangers, rounds
        self._gateway_id, self._key = _register()

    def measure(self) -> None:
        """Measure without strangers, then with each kind of them."""
        self._page()  # the first loads what later ones find
        self._greeting()
        self._honest("alone")
        with self._crowd(b"") as silent:
            self._honest("among_silent")
            self._report.figure("silent_opened", len(silent))
            self._report.figure("silent_held_by_the_server", self._still_open(silent))
        with self._crowd(SLOW) as slow:
            began = time.monotonic()
            self._report.figure("slow_held_by_the_server", self._still_open(slow, send=b"a"))
            self._honest("among_slow")
            while self._still_open(slow, send=b"a") and time.monotonic() < began + 2 * SLOW_ENDS_WITHIN_S:
                time.sleep(0.5)
            self._report.bar("slow_all_ended_after_s", round(time.monotonic() - began, 1), "<", SLOW_ENDS_WITHIN_S)
        with self._crowd(UPGRADE % self._port):
            self._honest("among_gateways_that_say_nothing")
        for name, codes in EVENTS.items():
            self._report.bar(f"events_{name}", _events(codes), ">=", 1)

    def _honest(self, where: str) -> None:
        for name, act in (("page", self._page), ("greeting", self._greeting)):
            found = sorted(_seconds(act) for _ in range(self._rounds))
            self._report.figure(f"{where}_{name}_p50_s", round(statistics.median(found), 3))
            self._report.bar(f"{where}_{name}_worst_s", round(found[-1], 3), "<", HONEST_WITHIN_S)

    def _page(self) -> None:
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        line.request("GET", "/account/login/")
        answer = line.getresponse()
        answer.read()
        line.close()
        if answer.status != http.client.OK:
            raise Absent(f"a page: it answered {answer.status}")

    def _greeting(self) -> None:
        with connect(f"ws://127.0.0.1:{self._port}/ws/gateway/") as link:
            greet(link, self._gateway_id, self._key)

    @contextmanager
    def _crowd(self, say: bytes) -> Iterator[list[socket.socket]]:
        with ExitStack() as lines:
            opened = []
            for _ in range(self._strangers):
                line = lines.enter_context(socket.create_connection(("127.0.0.1", self._port), timeout=60))
                with contextlib.suppress(OSError):  # it was shown out already
                    line.sendall(say)
                line.setblocking(False)
                opened.append(line)
            yield opened

    @staticmethod
    def _still_open(lines: list[socket.socket], send: bytes = b"") -> int:
        return sum(_is_open(line, send) for line in lines)


def _is_open(line: socket.socket, send: bytes) -> bool:
    try:
        line.send(send)
        return bool(line.recv(4096))
    except BlockingIOError:
        return True
    except OSError:
        return False


def _seconds(act: Callable[[], None]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def _register() -> tuple[int, Ed25519PrivateKey]:
    from compliance.models import Ward
    from devices.services.registry import register_gateway

    key = Ed25519PrivateKey.generate()
    ward = Ward.objects.create(name="Bench")
    public_key = key.public_key().public_bytes_raw()
    return register_gateway(name="Honest", ward=ward, public_key=public_key).pk, key


def _events(codes: tuple[str, ...]) -> int:
    """Return how often one of these was noted, once one was: events are written once a second."""
    from django.db.models import Sum

    from compliance.models import Event

    deadline = time.monotonic() + EVENT_WITHIN_S
    while time.monotonic() < deadline:
        if count := Event.objects.filter(code__in=codes).aggregate(count=Sum("count"))["count"]:
            return int(count)
        time.sleep(0.2)
    return 0


def _room_for(files: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < files:
        raise Absent(f"{files} files that a process may open (ulimit -n)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))


if __name__ == "__main__":
    main("A crowd at the door", measure)
