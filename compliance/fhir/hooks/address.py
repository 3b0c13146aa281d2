"""Where a notification may go. An address is judged when it is stored, and what it resolves to whenever it is dialled:
the connection is made to the very addresses that were judged, so that a name cannot change its meaning in between."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from compliance.errors import DomainError

LONGEST = 500
CONNECT_WITHIN_S = 5.0
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.\-]{0,251}[a-z0-9])?")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%\-]*)*")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Public by number, and yet a door into the cloud that one runs in.
METADATA = {ipaddress.ip_address("168.63.129.16"), ipaddress.ip_address("fd00:ec2::254")}


class EndpointRefused(DomainError):
    """Notifications cannot go to this address."""

    code = "hook_endpoint_refused"
    http_status = 422


class EndpointUnreachable(DomainError):
    """The receiver cannot be reached."""

    code = "hook_unreachable"
    permanent = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A receiver's address. `path` has no slash at its end."""

    tls: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The host as it stands in a URL, with the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def parse_endpoint(url: str, *, plain_too: bool) -> Endpoint:
    """Read an address; `plain_too` allows http. Raises EndpointRefused."""
    if len(url) > LONGEST or not url.isascii() or not url.isprintable() or " " in url:
        raise EndpointRefused(f"An address is plain ASCII, and has at most {LONGEST} characters.")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise EndpointRefused("This address cannot be read.") from error
    if parts.scheme != "https" and not (plain_too and parts.scheme == "http"):
        raise EndpointRefused("Notifications go to https addresses only.")
    if parts.username is not None or parts.query or parts.fragment or "@" in parts.netloc:
        raise EndpointRefused("An address has no password, query or fragment; secrets go into channel.header.")
    if not _HOST.fullmatch(host) and not _literal(host):
        raise EndpointRefused("This address names no host.")
    if not _PATH.fullmatch(parts.path) or "/../" in f"{parts.path}/" or "/./" in f"{parts.path}/":
        raise EndpointRefused("The path of this address cannot be read.")
    tls = parts.scheme == "https"
    return Endpoint(tls, host, port or (443 if tls else 80), parts.path.rstrip("/"))


def _literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def dial(endpoint: Endpoint, *, inside: Collection[str]) -> socket.socket:
    """Connect. `inside` are hosts of this house, whose addresses may be private.

    Raises EndpointRefused when any of the host's addresses may not be dialled, EndpointUnreachable.
    """
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise EndpointUnreachable("The receiver's name does not resolve.") from error
    for _family, _type, _protocol, _name, target in found:
        if not may_be_dialled(str(target[0]), inside=endpoint.host in inside):
            raise EndpointRefused("This host's address lies within a network to which nothing is sent.")
    for family, kind, protocol, _name, target in found:
        line = socket.socket(family, kind, protocol)
        line.settimeout(CONNECT_WITHIN_S)
        try:
            line.connect(target)
        except OSError:
            line.close()
            continue
        return line
    raise EndpointUnreachable("The receiver does not answer at its address.")


def may_be_dialled(text: str, *, inside: bool) -> bool:
    """Tell whether a numeric address may be dialled, whatever it is wrapped in."""
    return all(_allowed(address, inside) for address in _unwrapped(ipaddress.ip_address(text.partition("%")[0])))


def _unwrapped(address: Address) -> Iterator[Address]:
    """Yield the address, and the IPv4 addresses to which it leads."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            yield address.ipv4_mapped
        if address.sixtofour is not None:
            yield address.sixtofour
        if address.teredo is not None:
            yield from address.teredo
        if address in NAT64:
            yield ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)


def _allowed(address: Address, inside: bool) -> bool:
    never = address.is_link_local or address.is_multicast or address.is_unspecified or address in METADATA
    mapped = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None
    return not never and (inside or mapped or address.is_global)  # of a mapped one, what it leads to decides
