"""Rows are locked in one order, so that an administrator and a gateway that greets never wait for each other."""

from __future__ import annotations

import pytest
from django.db.models import QuerySet

from devices.models import Device, Gateway
from devices.protocol.settings import DeviceSettings
from devices.services.moving import move_device
from devices.services.registry import assign_device, register_device, register_gateway
from devices.services.settings import configure_device
from tests.devices.pairing.paired import pair_now

pytestmark = pytest.mark.django_db


@pytest.fixture
def gateways(ward) -> list[Gateway]:
    made = [register_gateway(name=name, ward=ward) for name in ("North", "South")]
    for one in made:
        pair_now(one)
    return made


@pytest.fixture
def device(gateways, patient) -> Device:
    made, _key = register_device(
        serial="MON-1", kind="vital_signs_monitor", label="Monitor", gateway=gateways[0], patient=patient
    )
    return made


@pytest.mark.parametrize("act", ["configure", "move", "assign"])
def test_a_gateway_is_locked_before_its_device(device, gateways, monkeypatch, act) -> None:
    locked: list[type] = []
    lock = QuerySet.select_for_update

    def note(rows: QuerySet, *arguments, **named) -> QuerySet:
        locked.append(rows.model)
        return lock(rows, *arguments, **named)

    monkeypatch.setattr(QuerySet, "select_for_update", note)
    match act:
        case "configure":
            configure_device(device=device, wanted=DeviceSettings(5.0))
        case "move":
            move_device(device=device, to=gateways[1])
        case "assign":
            assign_device(device=device, patient=None)
    assert locked.index(Gateway) < locked.index(Device)
