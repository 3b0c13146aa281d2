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
