"""Saying on a page who wears a device."""

from __future__ import annotations

import pytest

from devices.models import Device
from devices.services.registry import register_device, register_gateway
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def device(ward):
    gateway = register_gateway(name="North", ward=ward, public_key=bytes(32))
    made, _key = register_device(serial="S-1", kind="cgm", label="Glucose monitor", gateway=gateway, patient=None)
    return made


def test_an_administrator_puts_a_device_on_a_patient_and_takes_it_off(client, cast, device, patient) -> None:
    sign_in(client, cast["administrator"], fresh=True)
    page = f"/devices/{device.pk}/wearer/"
    assert patient.name in client.get(page).content.decode()
    assert client.post(page, {"wearer": str(patient.pk)}).status_code == 302
    assert Device.objects.get(pk=device.pk).patient == patient
    client.post(page, {"wearer": ""})
    assert Device.objects.get(pk=device.pk).patient is None


def test_a_patient_of_another_ward_is_neither_offered_nor_taken(client, cast, device, patient, foreign_patient) -> None:
    sign_in(client, cast["administrator"], fresh=True)
    page = f"/devices/{device.pk}/wearer/"
    assert foreign_patient.name not in client.get(page).content.decode()
    assert client.post(page, {"wearer": str(foreign_patient.pk)}).status_code == 400
    assert Device.objects.get(pk=device.pk).patient is None


def test_who_may_not_configure_devices_is_refused(client, cast, device, patient) -> None:
    response = sign_in(client, cast["nurse"]).post(f"/devices/{device.pk}/wearer/", {"wearer": str(patient.pk)})
    assert response.status_code in {403, 404}
    assert Device.objects.get(pk=device.pk).patient is None
