"""A gateway that was paired, with a monitor behind it, and a writer that ends with its test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def row(transactional_db, ward):  # type: ignore[no-untyped-def]
    from devices.services.registry import register_gateway

    return register_gateway(name="gw-1", ward=ward)


@pytest.fixture
def gateway(row):  # type: ignore[no-untyped-def]
    from tests.devices.pairing.paired import PairedGateway

    return PairedGateway.of(row)


@pytest.fixture
def monitor(row, patient):  # type: ignore[no-untyped-def]
    from devices.services.registry import register_device

    kind = "vital_signs_monitor"
    return register_device(serial="M-1", kind=kind, label="Monitor", gateway=row, patient=patient)[0]


@pytest.fixture(autouse=True)
def _ingest_ends() -> Iterator[None]:
    from devices.services import ingest

    yield
    ingest.stop_ingest()
