"""One registered gateway with a monitor, a second gateway, and each transport in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.devices.transport.conformance.carriers import CARRIERS, Carrier, ToyGateway


def _gateway(name: str, ward, folder: Path) -> ToyGateway:  # type: ignore[no-untyped-def]
    from devices.services.coap_secrets import renew_secret
    from devices.services.registry import register_gateway

    key = Ed25519PrivateKey.generate()
    row = register_gateway(name=name, ward=ward, public_key=key.public_key().public_bytes_raw())
    return ToyGateway(row.pk, key, folder, renew_secret(row))


@pytest.fixture
def gateway(transactional_db, ward, tmp_path):  # type: ignore[no-untyped-def]
    return _gateway("gw-1", ward, tmp_path)


@pytest.fixture
def other_gateway(transactional_db, ward, tmp_path):  # type: ignore[no-untyped-def]
    return _gateway("gw-2", ward, tmp_path)


@pytest.fixture
def make_monitor(patient) -> Callable[..., object]:  # type: ignore[no-untyped-def]
    from devices.models import Gateway
    from devices.services.registry import register_device
    from tests.devices.ingest.cast import ToyDevice

    def make(at: ToyGateway) -> ToyDevice:
        device, key = register_device(
            serial=f"m-{at.id}",
            kind="vital_signs_monitor",
            label="Monitor",
            gateway=Gateway.objects.get(pk=at.id),
            patient=patient,
        )
        at.keys[device.pk] = key
        return ToyDevice(device.pk, key)

    return make


@pytest.fixture
def monitor(gateway, make_monitor):  # type: ignore[no-untyped-def]
    return make_monitor(gateway)


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the registry and write events more often than in life, and come back sooner."""
    from devices.gateway import agent, link
    from devices.services import coap, ingest
    from devices.transport import coap as coap_line

    monkeypatch.setattr(ingest, "REGISTRY_S", 0.1)
    monkeypatch.setattr(ingest, "TICK_S", 0.1)
    monkeypatch.setattr(agent, "BACKOFF_FIRST_S", 0.2)
    monkeypatch.setattr(agent, "BACKOFF_MOST_S", 1.0)
    monkeypatch.setattr(link, "RETRY_FIRST_S", 0.05)
    monkeypatch.setattr(link, "ACK_WITHIN_S", 10.0)
    monkeypatch.setattr(coap_line, "ANSWER_WITHIN_S", 10.0)
    monkeypatch.setattr(coap, "HOLD_S", 3.0)


@pytest.fixture(params=["websocket", pytest.param("mqtt", marks=pytest.mark.mqtt), "coap"])
async def carrier(
    request: pytest.FixtureRequest,
    transactional_db: None,
    in_a_hurry: None,
    tmp_path: Path,
    gateway: ToyGateway,
    other_gateway: ToyGateway,
    monitor: object,
) -> AsyncIterator[Carrier]:
    """A transport at work. Gateways and monitor are registered before, so that the server knows them at once."""
    async with CARRIERS[request.param](tmp_path).open() as opened:
        yield opened
