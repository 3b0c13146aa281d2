"""Where a notification may be sent: never into a network that only this house, or its cloud, can reach."""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Event, Thread

import pytest

from compliance.fhir.hooks import address
from compliance.fhir.hooks.address import EndpointRefused, EndpointUnreachable, dial, may_be_dialled, parse_endpoint
from compliance.fhir.hooks.sending import Notification, send
from tests.compliance.fhir.receiver import Receiver

NOTHING = Notification("POST", "", {}, b"")


@pytest.mark.parametrize("text", ["93.184.216.34", "2606:2800:220:1::1"])
def test_public_addresses_may_be_dialled(text: str) -> None:
    assert may_be_dialled(text, inside=False)


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1", "192.0.2.1",
        "0.1.2.3", "240.0.0.1", "255.255.255.255", "100.100.100.200", "::1", "fc00::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a00:1",
    ],
)  # fmt: skip
def test_private_addresses_are_for_hosts_of_the_house_alone(text: str) -> None:
    assert not may_be_dialled(text, inside=False)


@pytest.mark.parametrize("text", ["127.0.0.1", "10.1.2.3", "fc00::1", "::1"])
def test_a_host_of_the_house_may_be_private(text: str) -> None:
    assert may_be_dialled(text, inside=True)


@pytest.mark.parametrize(
    "text",
    [
        "169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "168.63.129.16", "fd00:ec2::254", "224.0.0.1",
        "ff02::1", "0.0.0.0", "::", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::",
    ],
)  # fmt: skip
def test_what_a_cloud_tells_its_machines_is_dialled_for_nobody(text: str) -> None:
    assert not may_be_dialled(text, inside=True)
    assert not may_be_dialled(text, inside=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "127.1", "0x7f000001", "[::1]"])
def test_a_loopback_by_any_name_is_refused_when_it_is_dialled(host: str) -> None:
    with Receiver() as receiver, pytest.raises(EndpointRefused):
        port = receiver.server.server_port
        send(parse_endpoint(f"http://{host}:{port}/", plain_too=True), NOTHING, inside=())
    assert receiver.requests == []


def test_a_name_that_changes_its_meaning_leads_where_it_was_judged(monkeypatch) -> None:
    """The name is resolved once: a second answer, which an attacker would change, is never asked for."""
    asked = []

    def resolve(host, port, **_):
        asked.append(host)
        public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port))
        inner = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        return [public] if len(asked) == 1 else [inner]

    dialled = []

    class Line:
        def __init__(self, *_: object) -> None: ...
        def settimeout(self, _: float) -> None: ...
        def connect(self, target) -> None:
            dialled.append(target[0])

    monkeypatch.setattr(address.socket, "getaddrinfo", resolve)
    monkeypatch.setattr(address.socket, "socket", Line)
    dial(parse_endpoint("https://rebinding.example/", plain_too=False), inside=())
    assert (asked, dialled) == (["rebinding.example"], ["93.184.216.34"])


def test_one_forbidden_address_among_public_ones_is_enough(monkeypatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 443)) for ip in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(address.socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(EndpointRefused):
        dial(parse_endpoint("https://both.example/", plain_too=False), inside=())


def test_a_receiver_that_answers_a_byte_at_a_time_is_left(monkeypatch) -> None:
    monkeypatch.setattr("compliance.fhir.hooks.sending.ANSWER_WITHIN_S", 0.4)
    enough = Event()

    def drip(listening: socket.socket) -> None:
        line, _ = listening.accept()
        with line, suppress(OSError):
            line.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not enough.wait(0.05):
                line.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        Thread(target=drip, args=(listening,), daemon=True).start()
        endpoint = parse_endpoint(f"http://127.0.0.1:{listening.getsockname()[1]}/", plain_too=True)
        with pytest.raises(EndpointUnreachable):
            send(endpoint, NOTHING, inside={"127.0.0.1"})
        enough.set()


def test_a_certificate_that_nobody_vouches_for_is_not_believed(tmp_path) -> None:
    import ssl

    from tests.devices.hl7.conftest import Authority

    certificate, key = Authority(tmp_path, "authority").issue("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Receiver() as receiver:
        receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
        endpoint = parse_endpoint(f"https://localhost:{receiver.server.server_port}/", plain_too=False)
        with pytest.raises(EndpointUnreachable, match="certificate"):
            send(endpoint, NOTHING, inside={"localhost"})
    assert receiver.requests == []
