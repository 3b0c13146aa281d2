"""A breath all the way: emulated, sealed, sent by a gateway, stored, and seen at the patient and at the device."""

from __future__ import annotations

import time

import pytest
from channels.db import database_sync_to_async

from devices.kinds.registry import by_code
from devices.services.telemetry import store
from tests.conftest import sign_in
from twin.physiology.plants import build

pytestmark = pytest.mark.django_db(transaction=True)
BREATH = {"fvc", "fev1", "fev1_fvc", "pef"}


@pytest.fixture
def device(make_device):
    return make_device("spirometer")


async def test_a_breath_is_stored_and_seen_at_the_patient_and_at_the_device(gateway, device, client, cast, patient):
    now = time.time()
    described = {"seed": 5, "devices": {"spirometer": device.id}, "age_years": 66, "conditions": ["copd"]}
    plant = build([{"device_id": device.id, "kind": "spirometer"}], {"patients": [described], "backfill_s": 7200.0})
    measured = list(plant.advance(now))
    assert {by_code(one.metric_code).key for one in measured} == {*BREATH, "battery"}

    await gateway.connect()
    answer = await gateway.send(device.frame(*[(one.metric_code, one.t, one.value) for one in measured]))
    assert answer == {"type": "ack", "frames": [[device.id, 1]]}
    newest = {by_code(row.metric).key: row.value for row in store().latest([device.id])}
    sent = {by_code(one.metric_code).key: one.value for one in measured}  # in order of time: the newest stays
    assert newest == pytest.approx(sent, rel=1e-6)

    at_patient, at_device = await database_sync_to_async(_pages)(client, cast["nurse"], patient, device)
    tiles = {tile.key: tile.text for tile in at_patient.context["tiles"]}
    assert tiles == {key: f"{sent[key]:.{1 if key == 'fev1_fvc' else 2}f}" for key in BREATH}  # an hour old, and shown
    assert {strip.get("key") for strip in at_patient.context["strips"]} >= BREATH
    page = at_device.content.decode()
    assert all(label in page for label in ("FVC", "FEV1", "FEV1/FVC", "Peak flow"))
    assert tiles["fev1"] in page


def _pages(client, nurse, patient, device):
    nurse_client = sign_in(client, nurse)
    return nurse_client.get(f"/patients/{patient.pk}/"), nurse_client.get(f"/devices/{device.id}/")
