"""Registered gateways and devices, and a writer that ends with its test."""

from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def _gateway(name, ward):
    from devices.services.registry import register_gateway
    from tests.devices.ingest.cast import ToyGateway

    key = Ed25519PrivateKey.generate()
    return ToyGateway(register_gateway(name=name, ward=ward, public_key=key.public_key().public_bytes_raw()).pk, key)


@pytest.fixture
def gateway(transactional_db, ward):
    return _gateway("gw-1", ward)


@pytest.fixture
def other_gateway(transactional_db, ward):
    return _gateway("gw-2", ward)


@pytest.fixture
def make_device(gateway, patient):
    from devices.models import Gateway
    from devices.services.registry import register_device
    from tests.devices.ingest.cast import ToyDevice

    def make(kind="vital_signs_monitor", at=gateway, patient=patient):
        serial = f"{kind}-{time.monotonic_ns()}"
        owner = Gateway.objects.get(pk=at.id)
        device, key = register_device(serial=serial, kind=kind, label=kind, gateway=owner, patient=patient)
        return ToyDevice(device.pk, key)

    return make


@pytest.fixture
def monitor(make_device):
    return make_device()


@pytest.fixture(autouse=True)
def _ingest_ends(monkeypatch):
    from devices.services import ingest

    monkeypatch.setattr(ingest, "REGISTRY_S", 0.1)
    monkeypatch.setattr(ingest, "TICK_S", 0.1)  # the registry is read and events are written more often than in life
    yield
    ingest.stop_ingest()
