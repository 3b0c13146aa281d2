"""The bounds of the server itself, asked of a running one: bodies, heads and messages that are too long, and crowds."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S
from tests.system.conftest import ROOT, eventually, free_port
from twin.launcher import die_with_parent

MOST = 8 * 1024 * 1024
WAITING = 32
SEEN = """
import json, os
async def application(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        event = await receive()
        open(os.environ["SEEN"], "w").write(json.dumps([event["type"], event.get("code")]))
        return
    heard = 0
    while True:
        event = await receive()
        heard += len(event.get("body", b""))
        if not event.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(heard).encode()})
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server as the demonstration starts it, with an application that says how much reached it."""
    home = tmp_path_factory.mktemp("bounds")
    (home / "seen_app.py").write_text(SEEN)
    chosen = free_port()
    environment = os.environ | {"PYTHONPATH": f"{home}{os.pathsep}{ROOT}", "SEEN": str(home / "seen")}
    environment["MEDTWIN_WAITING_CONNECTIONS"] = str(WAITING)
    endpoint = f"tcp:port={chosen}:interface=127.0.0.1"
    command = [sys.executable, "-m", "twin.daphne", "-v", "0", "-e", endpoint, "seen_app:application"]
    process = subprocess.Popen(command, env=environment, preexec_fn=die_with_parent)
    os.environ["MEDTWIN_SEEN"] = str(home / "seen")
    eventually(lambda: answers(chosen), 60, "the server listens")
    yield chosen
    process.terminate()
    process.wait(PATIENCE_S)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def talk(port: int, *pieces: bytes) -> bytes:
    """Send bytes and return what comes back until the other side is silent."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as line:
        for piece in pieces:
            line.sendall(piece)
        line.shutdown(socket.SHUT_WR)
        heard = b""
        while more := line.recv(65536):
            heard += more
    return heard


def chunked(size: int) -> Iterator[bytes]:
    piece = b"x" * (1 << 20)
    for _ in range(size // len(piece)):
        yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    yield b"0\r\n\r\n"


@pytest.mark.process
def test_no_more_of_a_body_is_kept_than_shows_that_it_is_too_long(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert talk(port, head, *chunked(24 << 20)).endswith(f"\r\n{MOST + 1}\r\n0\r\n\r\n".encode())
    head = f"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {24 << 20}\r\n\r\n".encode()
    assert talk(port, head, b"x" * (24 << 20)).endswith(f"\r\n{MOST + 1}\r\n0\r\n\r\n".encode())


@pytest.mark.process
def test_a_body_within_the_limit_arrives_whole(port: int) -> None:
    head = f"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {MOST}\r\n\r\n".encode()
    assert talk(port, head, b"x" * MOST).endswith(f"\r\n{MOST}\r\n0\r\n\r\n".encode())


@pytest.mark.process
@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(600)) + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    ],
    ids=["long line", "many fields", "long field", "two lengths", "unknown coding"],
)
def test_a_head_that_is_too_long_or_ambiguous_is_refused(port: int, head: bytes) -> None:
    heard = talk(port, head)
    assert heard == b"" or heard.startswith(b"HTTP/1.1 400"), heard[:80]


@pytest.mark.process
def test_a_message_that_is_too_long_is_told_to_the_application(port: int) -> None:
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    with connect(f"ws://127.0.0.1:{port}/", max_size=None) as line, pytest.raises((ConnectionClosed, OSError)):
        line.send(b"x" * ((1 << 20) + 1))
        for _ in range(2):
            line.recv(timeout=PATIENCE_S)
    seen = Path(os.environ["MEDTWIN_SEEN"])
    eventually(lambda: seen.exists() and seen.read_text(), 20, "the application heard of the end")
    assert seen.read_text() == '["websocket.disconnect", 1009]'


def is_open(line: socket.socket) -> bool:
    try:
        return bool(line.recv(1))
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


@pytest.mark.process
# Half a head is long enough that it has more than the time in which a busy machine opens all of the crowd's lines.
@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nX-Slow: " + b"a" * 15_000], ids=["nothing", "half a head"])
def test_a_crowd_that_waits_makes_room_for_who_says_what_it_wants(port: int, said: bytes) -> None:
    with ExitStack() as lines:
        crowd = []
        for _ in range(4 * WAITING):
            crowd.append(lines.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)))
            crowd[-1].sendall(said)
            crowd[-1].setblocking(False)
        assert talk(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 200")
        first, newest = crowd[: 3 * WAITING], crowd[3 * WAITING + 1 :]
        eventually(lambda: not any(map(is_open, first)), 20, "who waited longest was shown out")
        assert all(map(is_open, newest))
