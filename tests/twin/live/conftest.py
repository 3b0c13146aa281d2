"""Pages as the tests open them."""

from __future__ import annotations

import pytest


@pytest.fixture
def device(transactional_db, ward, patient):
    from devices.services.registry import register_device, register_gateway

    gateway = register_gateway(name="gw", ward=ward, public_key=bytes(32))
    made, _ = register_device(
        serial="m-1", kind="vital_signs_monitor", label="Monitor", gateway=gateway, patient=patient
    )
    return made


@pytest.fixture
def foreign_device(transactional_db, other_ward, foreign_patient):
    from devices.services.registry import register_device, register_gateway

    gateway = register_gateway(name="gw-9", ward=other_ward, public_key=bytes(32))
    made, _ = register_device(
        serial="m-9", kind="vital_signs_monitor", label="Monitor", gateway=gateway, patient=foreign_patient
    )
    return made


@pytest.fixture(autouse=True)
def _close_helper_thread_connections():
    """A page's last question to the policy may still run when its test ends: let it end, and close its connection."""
    yield
    from asgiref.sync import SyncToAsync
    from django.db import connections

    SyncToAsync.single_thread_executor.submit(connections.close_all).result()
