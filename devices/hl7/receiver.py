"""A small receiver: listens inside TLS, answers each message, and hands it on. For trying out and for tests; a real
hospital has an interface engine."""

from __future__ import annotations

import socketserver
import ssl
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from devices.hl7.acknowledgement import Acknowledgement, Verdict, build_acknowledgement
from devices.hl7.errors import FrameBroken, MessageMalformed
from devices.hl7.message import Report, parse_report
from devices.hl7.mllp import Unframer, frame

QUIET_FOR_S = 300.0
Take = Callable[[Report], Acknowledgement]


def accept(report: Report) -> Acknowledgement:
    """Accept whatever can be read."""
    return Acknowledgement(Verdict.ACCEPTED, report.control_id)


class Receiver(socketserver.ThreadingTCPServer):
    """Serves connections, each in a thread. `take` is given each report before it is answered and decides the answer.

    A message that cannot be read ends the connection: without its control id there is nothing to answer.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext, take: Take = accept) -> None:
        self._context, self.take = context, take
        super().__init__(address, _Conversation)

    def wrap(self, line: object) -> ssl.SSLSocket:
        """Return the accepted socket inside TLS; done in the connection's thread, so that a slow one holds nobody."""
        return self._context.wrap_socket(line, server_side=True)  # type: ignore[arg-type]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of connections that break: that is the other end's matter."""


class _Conversation(socketserver.BaseRequestHandler):
    server: Receiver

    def handle(self) -> None:
        self.request.settimeout(QUIET_FOR_S)
        with self.server.wrap(self.request) as line:
            unframer = Unframer()
            try:
                while data := line.recv(65536):
                    for message in unframer.feed(data):
                        line.sendall(frame(self._answer(message)))
            except (FrameBroken, MessageMalformed, OSError):
                return

    def _answer(self, message: bytes) -> bytes:
        answer = self.server.take(parse_report(message))
        return build_acknowledgement(answer, control_id=uuid.uuid4().hex[:20], sent_at=datetime.now(UTC))
