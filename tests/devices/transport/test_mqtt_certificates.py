"""A broker that knows gateways by their TLS certificates: whose name is on it may use its own topics, and no others."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import getpass
import json
import ssl
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from devices.gateway.config import ConfigRefused, load
from devices.transport.address import BrokerAddress, parse_address
from devices.transport.broker import Broker, BrokerLost, connect_broker
from devices.transport.mosquitto import CONFIG, RIGHTS, configuration, rights
from tests.devices.gateway.conftest import write_config  # noqa: F401
from tests.devices.transport.authority import Authority
from tests.devices.transport.conftest import MOSQUITTO
from tests.patience import PATIENCE_S, eventually
from tests.system.conftest import free_port

pytestmark = [pytest.mark.mqtt, pytest.mark.process]
OWN, OTHERS = 7, 8


class House:
    """A broker as `manage.py mosquitto_files` sets it up, in a house that issues certificates itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.url = f"mqtts://127.0.0.1:{free_port()}/house"
        self.address: BrokerAddress = parse_address(self.url)
        self.process: subprocess.Popen[bytes] | None = None
        self.authority.issue("broker", server=True)
        (folder / "broker.key").write_bytes((folder / "broker.pem").read_bytes())

    def start(self) -> None:
        made = configuration(self.folder, self.address, listen="127.0.0.1")
        config = self.folder / CONFIG
        config.write_text(f"{made}user {getpass.getuser()}\n")  # root would become who cannot read this
        (self.folder / RIGHTS).write_text(rights(self.address, ["bridge-1", "bridge-2"]))
        log = self.folder / "mosquitto.log"
        with log.open("wb") as file:
            self.process = subprocess.Popen([MOSQUITTO, "-c", config], stdout=file, stderr=file)
        eventually(lambda: b"running" in log.read_bytes() or self.process.poll() is not None, 20, "the broker runs")
        assert self.process.poll() is None, log.read_text()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def tls(self, certificate: Path | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.authority.file)
        if certificate is not None:
            context.load_cert_chain(certificate)
        return context

    @asynccontextmanager
    async def connect(self, certificate: Path | None) -> AsyncIterator[Broker]:
        async with connect_broker(
            self.address,
            identifier=uuid.uuid4().hex,
            tls=self.tls(certificate),
            most_message_bytes=10_000,
            most_waiting_bytes=10_000,
        ) as broker:
            yield broker


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "house")
    try:
        made.start()
        yield made
    finally:
        made.stop()


async def hears(broker: Broker) -> list[tuple[str, bytes]]:
    """Return what arrived, up to a message that the bridge is allowed to hear at any rate."""
    found = []
    async with asyncio.timeout(PATIENCE_S):
        while (message := await broker.receive()).payload != b"end":
            found.append((message.topic.partition("medtwin/1/")[2], message.payload))
    return found


async def test_gateway_can_publish_on_its_own_topics_and_on_no_others(house: House) -> None:
    topic = house.address.topic
    gateway, bridge = house.authority.issue(str(OWN)), house.authority.issue("bridge-1")
    async with house.connect(bridge) as listening, house.connect(gateway) as speaking:
        for leaf in ("presence", "gone", "hello/0badb1d0", "frames/0badb1d0", "answers"):
            await listening.subscribe(house.address.of_all_gateways(leaf))
        await listening.subscribe(house.address.of_bridge("+"))
        for number in (OTHERS, OWN):
            for leaf in ("presence", "gone", "hello/0badb1d0", "frames/0badb1d0", "answers"):
                with contextlib.suppress(BrokerLost):
                    await speaking.publish(topic(number, leaf), b"mine")
        with contextlib.suppress(BrokerLost):
            await speaking.publish(house.address.of_bridge("0badb1d0"), b"mine")
        await speaking.publish(topic(OWN, "gone"), b"end")
        heard = await hears(listening)
    allowed = ("presence", "gone", "hello/0badb1d0", "frames/0badb1d0")
    assert heard == [(f"{OWN}/{leaf}", b"mine") for leaf in allowed]


async def test_gateway_hears_its_own_answers_and_bridges_and_nothing_else(house: House) -> None:
    topic = house.address.topic
    curious, victim = house.authority.issue(str(OTHERS)), house.authority.issue(str(OWN))
    bridge = house.authority.issue("bridge-1")
    async with house.connect(curious) as listening, house.connect(victim) as speaking, house.connect(bridge) as serving:
        for asked in ("#", f"{house.address.root}/#", topic(OWN, "#"), house.address.of_all_gateways("presence")):
            with contextlib.suppress(BrokerLost):
                await listening.subscribe(asked)
        await listening.subscribe(topic(OTHERS, "answers"), house.address.of_bridge("+"))
        for leaf in ("presence", "gone", "hello/0badb1d0", "frames/0badb1d0"):
            await speaking.publish(topic(OWN, leaf), b"secret")
        await serving.publish(topic(OWN, "answers"), b"secret")
        await serving.publish(topic(OTHERS, "answers"), b"end")
        heard = await hears(listening)
    assert heard == []


# paho leaves a socket whose handshake failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_foreign_revoked_and_absent_certificates_are_refused(house: House, tmp_path: Path) -> None:
    foreign = Authority(tmp_path / "foreign", "House").issue(str(OWN))  # the same names, another key
    for certificate in (foreign, None):
        with pytest.raises(BrokerLost):
            async with house.connect(certificate) as broker:
                await broker.subscribe("x")
    stolen = house.authority.issue(str(OWN))
    async with house.connect(stolen) as broker:
        await broker.subscribe(house.address.topic(OWN, "answers"))
    house.authority.revoke(str(OWN))
    house.stop()
    house.start()
    with pytest.raises(BrokerLost):
        async with house.connect(stolen) as broker:
            await broker.subscribe("x")
    gc.collect()  # here, where it is expected


@pytest.mark.django_db(transaction=True)
async def test_agent_and_bridge_meet_under_certificates(house, write_config, tmp_path, gateway, gateway_key, monitor):  # type: ignore[no-untyped-def]  # noqa: F811
    from devices.services import mqtt_serving
    from tests.devices.gateway.test_agent import running
    from tests.devices.transport.test_mqtt_gateway import stored
    from tests.patience import until

    (tmp_path / "mqtt.key").write_text(gateway_key.private_bytes_raw().hex())
    certificate = house.authority.issue(str(gateway.pk))
    config = write_config(
        server=house.url,
        ca_file=str(house.authority.file),
        certificate_file=str(certificate),
        gateway_id=gateway.pk,
        private_key_file="mqtt.key",
        interval_s=0.05,
        devices=[{"device_id": monitor.id, "kind": "vital_signs_monitor", "key_hex": monitor.key.hex()}],
    )
    stop = asyncio.Event()
    tls = house.tls(house.authority.issue("bridge-2"))
    serving = asyncio.create_task(mqtt_serving.serve(house.address, stop, tls))
    async with running(config):
        await until(lambda: len(stored(monitor)) > 20, PATIENCE_S)
    stop.set()
    await serving


def test_certificate_that_cannot_be_read_is_said_in_a_sentence(write_config, tmp_path) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    config = load(write_config(server="mqtts://broker", certificate_file="absent.pem"))
    with pytest.raises(ConfigRefused, match=r"absent\.pem"):
        config.tls()
    with pytest.raises(CommandError, match="mqtts://"):
        call_command("mosquitto_files", str(tmp_path), url="mqtt://broker")
    assert json.loads((tmp_path / "gateway.json").read_text())["server"] == "mqtts://broker"
