"""mqtts: a broker that shows a certificate of the hospital and asks for a password, and who gets in."""

from __future__ import annotations

import gc
import getpass
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devices.gateway.config import load
from devices.transport.address import BrokerAddress, parse_address
from devices.transport.broker import BrokerLost, connect_broker
from tests.devices.gateway.conftest import write_config  # noqa: F401
from tests.devices.gateway.test_tls import server_tls  # noqa: F401
from tests.devices.transport.conftest import MOSQUITTO
from tests.system.conftest import eventually, free_port

pytestmark = [pytest.mark.mqtt, pytest.mark.process]


@pytest.fixture
def port(server_tls: object, tmp_path: Path) -> Iterator[int]:  # noqa: F811
    """A broker with TLS and one account, `gateway` with the password `open sesame`."""
    number = free_port()
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "gateway", "open sesame"], check=True)
    pem = tmp_path / "server.pem"
    described = [
        f"listener {number} 127.0.0.1",
        f"certfile {pem}",
        f"keyfile {pem}",
        f"password_file {passwords}",
        "allow_anonymous false",
        f"user {getpass.getuser()}",  # started by root it would become somebody who cannot read our files
    ]
    (tmp_path / "mosquitto.conf").write_text("\n".join(described) + "\n")
    with (tmp_path / "mosquitto.log").open("wb") as log:
        process = subprocess.Popen([MOSQUITTO, "-v", "-c", tmp_path / "mosquitto.conf"], stdout=log, stderr=log)
    try:
        eventually(lambda: b"running" in (tmp_path / "mosquitto.log").read_bytes(), 10, "the broker runs")
        yield number
    finally:
        process.kill()
        process.wait()


async def _connect(address: BrokerAddress, config: Path) -> str:
    """Say hello to ourselves through the broker; return what came back."""
    async with connect_broker(
        address,
        identifier=uuid.uuid4().hex,
        tls=load(config).tls(),
        most_message_bytes=10_000,
        most_waiting_bytes=10_000,
    ) as broker:
        await broker.subscribe("t")
        await broker.publish("t", b"hello", session=b"s", proof="p")
        received = await broker.receive()
    assert (received.session, received.proof) == (b"s", "p")
    return received.payload.decode()


async def test_account_of_the_broker_gets_in_where_the_certificate_holds(port: int, write_config: Callable[..., Path]):  # type: ignore[no-untyped-def]  # noqa: F811
    url = f"mqtts://gateway:open%20sesame@127.0.0.1:{port}"
    config = write_config(server=url, ca_file="ca.pem")
    assert await _connect(parse_address(url), config) == "hello"


# paho leaves a socket whose handshake failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_unknown_certificate_and_wrong_password_are_refused(port: int, write_config: Callable[..., Path]):  # type: ignore[no-untyped-def]  # noqa: F811
    url = f"mqtts://gateway:open%20sesame@127.0.0.1:{port}"
    with pytest.raises(BrokerLost, match="CERTIFICATE_VERIFY_FAILED"):
        await _connect(parse_address(url), write_config(server=url))
    for account in ("gateway:wrong@", ""):
        with pytest.raises(BrokerLost, match=r"(?i)not authori[sz]ed|bad user"):
            address = parse_address(f"mqtts://{account}127.0.0.1:{port}")
            await _connect(address, write_config(server=url, ca_file="ca.pem"))
    gc.collect()  # here, where it is expected
