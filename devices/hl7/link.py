"""The sender's end of a connection: TLS, one message at a time, and its answer."""

from __future__ import annotations

import socket
import ssl
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devices.hl7.acknowledgement import Acknowledgement, parse_acknowledgement
from devices.hl7.errors import CertificateWrong, PeerUnreachable, PeerUntrusted
from devices.hl7.mllp import Unframer, frame

CONNECT_WITHIN_S, ANSWER_WITHIN_S = 5.0, 15.0
MOST_STRAY = 16  # answers to other messages: what a receiver held back before the line broke


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a receiver listens and how the two prove themselves. certificate, key: our own, if it asks for one."""

    host: str
    port: int
    authority_pem: str
    certificate: Path | None = None
    key: Path | None = None


def client_context(endpoint: Endpoint) -> ssl.SSLContext:
    """Return the TLS settings: 1.2 or newer, the receiver's name and authority checked.

    Raises CertificateWrong when the authority or our own pair of files cannot be used.
    """
    try:
        context = ssl.create_default_context(cadata=endpoint.authority_pem)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if endpoint.certificate is not None:
            context.load_cert_chain(endpoint.certificate, endpoint.key)
    except (ssl.SSLError, ValueError, OSError) as error:
        raise CertificateWrong from error
    return context


class Link:
    """A connection that is open. Not for several threads."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._unframer = Unframer()
        self._answers: deque[bytes] = deque()

    def exchange(self, message: bytes, control_id: str) -> Acknowledgement:
        """Send the message and return the answer that names it in MSA-2; answers to others are passed over.

        Raises PeerUnreachable, or FrameBroken or MessageMalformed for an answer that cannot be read; whether the
        message arrived is unknown then, and it must be sent again with the same control id.
        """
        try:
            self._line.settimeout(ANSWER_WITHIN_S)
            self._line.sendall(frame(message))
            until = time.monotonic() + ANSWER_WITHIN_S
            for _ in range(MOST_STRAY):
                answer = parse_acknowledgement(self._next_answer(until))
                if answer.about == control_id:
                    return answer
        except ssl.SSLError as error:  # with TLS 1.3, a refusal of our certificate comes with the first answer
            raise PeerUntrusted from error
        except OSError as error:
            raise PeerUnreachable from error
        raise PeerUnreachable("The receiver answers other messages than the one that was sent.")

    def _next_answer(self, until: float) -> bytes:
        while not self._answers:
            left = until - time.monotonic()
            if left <= 0:
                raise PeerUnreachable("The receiver did not answer in time.")
            self._line.settimeout(left)
            data = self._line.recv(65536)
            if not data:
                raise PeerUnreachable("The receiver closed the connection without an answer.")
            self._answers.extend(self._unframer.feed(data))
        return self._answers.popleft()


@contextmanager
def connected(endpoint: Endpoint) -> Iterator[Link]:
    """Open a connection for the body. Raises PeerUnreachable, PeerUntrusted or CertificateWrong."""
    context = client_context(endpoint)
    try:
        plain = socket.create_connection((endpoint.host, endpoint.port), CONNECT_WITHIN_S)
    except OSError as error:
        raise PeerUnreachable from error
    with plain:
        try:
            line = context.wrap_socket(plain, server_hostname=endpoint.host)
        except ssl.SSLError as error:
            raise PeerUntrusted from error
        except OSError as error:
            raise PeerUnreachable from error
        with line:
            yield Link(line)
