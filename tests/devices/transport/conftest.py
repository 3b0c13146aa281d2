"""A broker to talk through, a registered gateway, and the bridge: as a task here or as a process to be killed."""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from collections.abc import AsyncIterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from devices.transport.address import BrokerAddress, parse_address
from devices.transport.broker import Broker, connect_broker
from tests.patience import PATIENCE_S

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin") or "mosquitto"


@pytest.fixture
def broker_url() -> str:
    """The real broker, under a prefix of this test's own: others use it at the same time."""
    return f"{os.environ['MQTT_URL']}/test-{uuid.uuid4().hex}"


@pytest.fixture
def address(broker_url: str) -> BrokerAddress:
    return parse_address(broker_url)


@pytest.fixture
async def broker(address: BrokerAddress) -> AsyncIterator[Broker]:
    """A connection of the test's own, as anyone whom the broker lets in could have."""
    async with connect_broker(
        address, identifier=uuid.uuid4().hex, tls=None, most_message_bytes=1 << 20, most_waiting_bytes=1 << 24
    ) as connected:
        yield connected


@pytest.fixture
def gateway_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def gateway(transactional_db, ward, gateway_key):  # type: ignore[no-untyped-def]
    from devices.services.registry import register_gateway

    return register_gateway(name="gw-1", ward=ward, public_key=gateway_key.public_key().public_bytes_raw())


@pytest.fixture
def monitor(gateway, patient):  # type: ignore[no-untyped-def]
    from devices.services.registry import register_device
    from tests.devices.ingest.cast import ToyDevice

    device, key = register_device(
        serial="m-1", kind="vital_signs_monitor", label="Monitor", gateway=gateway, patient=patient
    )
    return ToyDevice(device.pk, key)


@pytest.fixture
async def bridge(monitor, address: BrokerAddress, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:  # type: ignore[no-untyped-def]
    """The bridge at work in this process; begun when the registry holds the device, which it reads now and then."""
    from devices.services import ingest, mqtt_serving

    monkeypatch.setattr(ingest, "TICK_S", 0.1)
    stop = asyncio.Event()
    async with connect_broker(
        address, identifier=uuid.uuid4().hex, tls=None, most_message_bytes=1 << 20, most_waiting_bytes=1 << 24
    ) as listener:
        await listener.subscribe(address.of_bridge("+"))
        serving = asyncio.create_task(mqtt_serving.serve(address, stop))
        async with asyncio.timeout(PATIENCE_S):
            await listener.receive()  # it says that it is there
    yield
    stop.set()
    async with asyncio.timeout(PATIENCE_S):
        await serving
