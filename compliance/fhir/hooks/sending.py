"""One request to a receiver: no redirects, no proxies, a bound on time and on what is read of the answer."""

from __future__ import annotations

import ssl
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from socket import SHUT_RDWR, socket
from threading import Event, Timer

from compliance.fhir.hooks.address import Endpoint, EndpointUnreachable, dial

ANSWER_WITHIN_S = 15.0
MOST_READ = 64 * 1024
LARGEST_BODY = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Notification:
    """What is sent. path: below the endpoint."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


def send(endpoint: Endpoint, notification: Notification, *, inside: Collection[str]) -> tuple[int, str]:
    """Send, and return the HTTP status and Retry-After. Raises EndpointRefused, EndpointUnreachable."""
    line = dial(endpoint, inside=inside)
    # Each single wait has a limit of its own; a receiver that answers a byte at a time must not hold us for ever.
    late = Event()
    watchdog = Timer(ANSWER_WITHIN_S, lambda: _shut(line, late))
    watchdog.daemon = True
    watchdog.start()
    try:
        line.settimeout(ANSWER_WITHIN_S)
        if endpoint.tls:
            context = ssl.create_default_context()
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            line = context.wrap_socket(line, server_hostname=endpoint.host)
        connection = HTTPConnection(endpoint.host, endpoint.port)
        connection.sock = line
        headers = {"Host": endpoint.authority, "Connection": "close", **notification.headers}
        connection.request(notification.method, endpoint.path + notification.path or "/", notification.body, headers)
        answer = connection.getresponse()
        answer.read(MOST_READ)
        if late.is_set():  # what was shut reads as an answer that ended well
            raise TimeoutError
    except ssl.SSLCertVerificationError as error:
        raise EndpointUnreachable("The receiver's certificate does not hold.") from error
    except (OSError, HTTPException, ValueError) as error:
        raise EndpointUnreachable("The receiver did not answer as HTTP asks, or not in time.") from error
    else:
        return answer.status, answer.headers.get("Retry-After", "")
    finally:
        watchdog.cancel()
        line.close()


def _shut(line: socket, late: Event) -> None:
    late.set()
    with suppress(OSError):
        line.shutdown(SHUT_RDWR)
