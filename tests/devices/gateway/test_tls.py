"""TLS: the agent talks to a server whose certificate it can check, and to no other."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.devices.gateway.conftest import DEVICE_KEYS, PUBLIC
from tests.devices.gateway.server import Ward
from tests.devices.gateway.test_agent import ack_all, running
from tests.patience import until


@pytest.fixture
def server_tls(tmp_path: Path) -> ssl.SSLContext:
    """A server's context under a certificate of its own for 127.0.0.1, which is left in `ca.pem`."""
    key, name = generate_private_key(SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ward")])
    now, address = datetime.now(tz=UTC), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, SHA256())
    )
    pem = certificate.public_bytes(Encoding.PEM)
    (tmp_path / "ca.pem").write_bytes(pem)
    both = tmp_path / "server.pem"
    both.write_bytes(pem + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context


async def test_server_with_a_certificate_of_the_hospital_is_trusted(
    server_tls: ssl.SSLContext, write_config: Callable[..., Path]
) -> None:
    async with Ward(DEVICE_KEYS, PUBLIC, ack_all).open(server_tls) as ward:
        config = write_config(server=f"wss://127.0.0.1:{ward.port}/", ca_file="ca.pem", interval_s=0.05)
        async with running(config):
            await until(lambda: ward.acked)


async def test_server_with_an_unknown_certificate_gets_nothing(
    server_tls: ssl.SSLContext, write_config: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    async with Ward(DEVICE_KEYS, PUBLIC, ack_all).open(server_tls) as ward:
        config = write_config(server=f"wss://127.0.0.1:{ward.port}/", interval_s=0.05)
        async with running(config) as agent:
            await until(lambda: "CERTIFICATE_VERIFY_FAILED" in caplog.text and agent.queue.depth().waiting > 0)
    assert ward.seen == []
