"""One request to a witness, in a thread of its own: it touches no database, and it ends in time."""

from __future__ import annotations

import http.client
import queue
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from compliance.services.log_keys import WitnessAddress

TIMEOUT_S = 5.0  # for each step on the wire
DEADLINE_S = 10.0  # for all of it: a witness that sends a byte a second is given up too
MAX_ANSWER_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. status: of HTTP, 0 when nothing did; trouble: why not."""

    status: int
    text: str = ""
    trouble: str = ""


class Call:
    """A request under way."""

    def __init__(self, address: WitnessAddress, request: str, answers: queue.SimpleQueue[tuple[Call, Answer]]) -> None:
        self.address = address
        self._request, self._answers = request, answers
        self._until = time.monotonic() + DEADLINE_S
        self._connection: http.client.HTTPConnection | None = None

    def start(self) -> None:
        """Begin. The thread is a daemon: a witness that hangs does not keep the house from stopping."""
        threading.Thread(target=self._run, daemon=True, name="witness").start()

    def is_over_time(self) -> bool:
        """Tell whether its time is over."""
        return time.monotonic() > self._until

    def give_up(self) -> None:
        """Close the line under the thread, so that it ends."""
        line = getattr(self._connection, "sock", None)
        if line is not None:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        try:
            answer = self._exchange()
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            # ValueError: an address that is none; AttributeError: the line was closed between two steps.
            answer = Answer(0, trouble=f"did not answer: {type(error).__name__}")
        self._answers.put((self, answer))

    def _exchange(self) -> Answer:
        where = urlsplit(self.address.url)
        kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(where.hostname or "", where.port, timeout=TIMEOUT_S)
        try:
            self._connection.request("POST", f"{where.path.rstrip('/')}/add-checkpoint", self._request.encode())
            response = self._connection.getresponse()
            return Answer(response.status, response.read(MAX_ANSWER_BYTES).decode(errors="replace"))
        finally:
            self._connection.close()
