"""Where the CoAP server is, and what the two sides call its resources: `coap://host[:port]`.

Nothing secret stands in it, and no `coaps`: what is said is protected end to end by OSCORE, whoever forwards it.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from compliance.errors import DomainError

COAP_SCHEME = "coap://"
COAP_PORT = 5683  # RFC 7252, section 6.1

ROOT = "m1"  # Uri-Path of every resource
SESSION = "session"  # POST: a challenge; DELETE: the gateway leaves
HELLO = "hello"  # POST: the answer to the challenge
FRAMES = "frames"  # POST: joined frames
ANSWERS = "answers"  # GET: what the server has to say, as soon as there is something

SESSION_BYTES = 8  # of the challenge's nonce: the name of the session in the query, in hexadecimal
BLOCK_BYTES = 1024  # RFC 7252, section 4.6: what fits a datagram without fragments, headers apart
SEPARATOR = b"\n"  # between the JSON messages of one payload; JSON as we write it has none inside


class CoapAddressWrong(DomainError):
    """The address of the CoAP server cannot be used; the sentence says what to mend."""

    code = "coap_address_wrong"


class CoapLibraryMissing(DomainError):
    """CoAP needs the package aiocoap: install Medtwin with the extra `coap`."""

    code = "coap_library_missing"


class CoapAddress(NamedTuple):
    """A server."""

    host: str
    port: int

    @property
    def uri(self) -> str:
        """The base of every request."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{COAP_SCHEME}{host}:{self.port}"


def parse_coap(url: str) -> CoapAddress:
    """Return the server that a URL names. Raises CoapAddressWrong."""
    parts = urlsplit(url)
    try:
        port = parts.port or COAP_PORT
    except ValueError as error:
        raise CoapAddressWrong("The port of the address is no number from 1 to 65535.") from error
    if parts.scheme != "coap" or not parts.hostname or parts.username or parts.path.strip("/") or "#" in url:
        raise CoapAddressWrong("The address must look like coap://host or coap://host:5683.")
    return CoapAddress(parts.hostname, port)


def require_coap() -> None:
    """Return when the library is there. Raises CoapLibraryMissing."""
    try:
        import aiocoap.oscore  # noqa: F401
    except ImportError as error:
        raise CoapLibraryMissing from error
