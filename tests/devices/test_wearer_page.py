"""Saying on a page who wears a device."""

from __future__ import annotations

import pytest

from compliance.models import Event, Notice
from devices.models import DesiredSettings, Device
from devices.protocol.settings import DeviceSettings
from devices.selectors.settings import Follows, rules_standing, wished_of
from devices.services.registry import assign_device, register_device, register_gateway
from devices.services.settings import configure_device
from tests.conftest import sign_in
from tests.devices.pairing.paired import pair_now

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


LOOSE: dict[str, dict[str, float | bool]] = {
    "severe_low": {"on": True, "below_mg_dl": 40.0},
    "low_battery": {"on": False},
}


@pytest.fixture
def pump(ward, patient) -> Device:
    gateway = register_gateway(name="South", ward=ward)
    pair_now(gateway)
    made, _key = register_device(serial="P-1", kind="insulin_pump", label="Pump", gateway=gateway, patient=patient)
    configure_device(device=made, wanted=DeviceSettings(5.0, True, "", LOOSE))
    return made


def test_rules_wished_for_one_wearer_are_not_the_next_ones(client, cast, pump, patient) -> None:
    sign_in(client, cast["administrator"], fresh=True)
    page = f"/devices/{pump.pk}/wearer/"
    assert "With another wearer, or none" in client.get(page).content.decode()
    assert "went back to the gateway" in client.post(page, {"wearer": ""}, follow=True).content.decode()
    wish = DesiredSettings.objects.get()
    assert wish.wanted == DeviceSettings(5.0, True, "", {})  # how often it sends is about the device, and stays
    assert (wish.number, wish.set_by) == (2, cast["administrator"])
    (sent,) = wished_of([wish.device.gateway]).values()
    assert (sent.number, sent.devices[pump.pk].rules) == (2, {})
    assert {one.follows for one in rules_standing(pump)} == {Follows.WAITING}  # until the gateway has said so
    event = Event.objects.get(code="device_rules_reset")
    assert (event.patient, event.user) == (patient, cast["administrator"])
    assert event.detail == {"number": 2, "before": LOOSE}
    notice = Notice.objects.get(code="device_changed_hands")
    assert notice.link == f"/devices/{pump.pk}/rules/"
    assert notice.ward_id == wish.device.gateway.ward_id
    assert "With another wearer, or none" not in client.get(page).content.decode()


def test_rules_go_with_a_wearer_whom_somebody_else_follows_at_once(pump, foreign_patient) -> None:
    assign_device(device=pump, patient=foreign_patient)
    assert DesiredSettings.objects.get().rules == {}


def test_a_wearer_that_stays_keeps_the_rules_and_nobody_is_told(pump, patient) -> None:
    assign_device(device=pump, patient=patient)
    assert DesiredSettings.objects.get().rules == LOOSE
    assert not Notice.objects.filter(code="device_changed_hands").exists()


def test_a_device_without_rules_of_its_own_changes_hands_without_a_word(pump) -> None:
    configure_device(device=pump, wanted=DeviceSettings(5.0))
    assign_device(device=pump, patient=None)
    assert DesiredSettings.objects.get().wanted == DeviceSettings(5.0)
    assert not Notice.objects.filter(code="device_changed_hands").exists()
