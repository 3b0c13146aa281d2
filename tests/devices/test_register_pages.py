"""Registering a gateway and a device in the browser, what is left to do, and approving what a gateway runs."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from compliance.models import Event, LogEntry
from devices.models import Device, Gateway, GatewayMeasurement
from devices.protocol.suites import Suite
from devices.services.registry import register_gateway
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db
NEW_GATEWAY, NEW_DEVICE = "/devices/gateways/new/", "/devices/new/"
RUNS = "ab" * 64


@pytest.fixture
def admin(fresh_client, cast):
    return fresh_client(cast["administrator"])


@pytest.fixture
def gateway(ward) -> Gateway:
    return register_gateway(name="North", ward=ward)


@pytest.fixture
def foreign_gateway(other_ward) -> Gateway:
    return register_gateway(name="West of the hall", ward=other_ward)


def device_form(gateway: Gateway, **other: object) -> dict[str, object]:
    return {"kind": "cgm", "serial": "CGM-1", "gateway": gateway.pk, "link": "ble", "cipher": 1} | other


def shows(gateway: Gateway, value: str = RUNS) -> GatewayMeasurement:
    return GatewayMeasurement.objects.create(gateway=gateway, value=value, seen_at=timezone.now())


def test_a_registered_gateway_is_a_fact_in_the_log_under_the_administrators_name(admin, cast, ward) -> None:
    answer = admin.post(NEW_GATEWAY, {"name": " North ", "ward": ward.pk, "link": "ethernet"}, follow=True)
    made = Gateway.objects.get()
    assert (made.name, made.ward, made.link, bytes(made.public_key)) == ("North", ward, "ethernet", b"")
    event = Event.objects.get(code="gateway_registered")
    assert (event.user, event.gateway_id, event.ward_id) == (cast["administrator"], made.pk, ward.pk)
    assert LogEntry.objects.filter(event_id=event.pk).exists()
    page = answer.content.decode()
    assert "Setting it up" in page
    assert reverse("devices:gateway_pairing", args=[made.pk]) in page
    assert "not paired" in page


def test_a_registered_device_is_a_fact_and_its_page_says_what_comes_next(admin, cast, gateway) -> None:
    answer = admin.post(NEW_DEVICE, device_form(gateway, cipher=int(Suite.AES_128_GCM)), follow=True)
    made = Device.objects.get()
    assert (made.serial, made.kind, made.label) == ("CGM-1", "cgm", "Glucose monitor")
    assert (made.gateway, made.patient, made.suite) == (gateway, None, Suite.AES_128_GCM)
    assert Event.objects.get(code="device_registered").user == cast["administrator"]
    page = answer.content.decode()
    assert "Pair the gateway" in page
    assert "AES-128-GCM" in page


def test_nothing_is_registered_on_a_ward_or_gateway_of_others(admin, other_ward, gateway, foreign_gateway) -> None:
    assert "West of the hall" not in admin.get(NEW_DEVICE).content.decode()
    assert admin.post(NEW_DEVICE, device_form(foreign_gateway)).status_code == 400
    assert admin.post(NEW_GATEWAY, {"name": "Mine", "ward": other_ward.pk, "link": "wifi"}).status_code == 400
    assert not Device.objects.exists()
    assert not Gateway.objects.filter(name="Mine").exists()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"serial": "=1+1"}, "begins and ends with a letter"),
        ({"serial": ""}, "This field is required"),
        ({"kind": "toaster"}, "toaster is not one of the available choices"),
        ({"cipher": int(Suite.PHOTON_BEETLE)}, "is not one of the available choices"),
        ({"label": "=cmd()"}, "begins with a letter"),
    ],
)
def test_what_cannot_be_registered_says_what_to_mend(admin, gateway, wrong, says) -> None:
    answer = admin.post(NEW_DEVICE, device_form(gateway, **wrong))
    assert answer.status_code == 400
    assert says in answer.content.decode()
    assert not Device.objects.exists()


def test_a_serial_number_and_a_name_are_taken_once(admin, gateway) -> None:
    assert admin.post(NEW_DEVICE, device_form(gateway)).status_code == 302
    again = admin.post(NEW_DEVICE, device_form(gateway))
    assert (again.status_code, Device.objects.count()) == (400, 1)
    assert "already there" in again.content.decode()
    again = admin.post(NEW_GATEWAY, {"name": "North", "ward": gateway.ward_id, "link": "wifi"})
    assert (again.status_code, Gateway.objects.count()) == (400, 1)
    assert "Choose another name" in again.content.decode()


def test_only_administrators_with_a_fresh_factor_register_and_approve(client, cast, gateway) -> None:
    shows(gateway)
    approve = reverse("devices:gateway_approve", args=[gateway.pk])
    for role in ("nurse", "physician", "caregiver", "trainer"):
        sign_in(client, cast[role], fresh=True)
        assert "Register" not in client.get("/devices/").content.decode()
        for place in (NEW_DEVICE, NEW_GATEWAY, approve):
            assert client.post(place, device_form(gateway)).status_code in {403, 404}
    sign_in(client, cast["administrator"])
    assert "Register a device" in client.get("/devices/").content.decode()
    for place in (NEW_DEVICE, NEW_GATEWAY, approve):
        assert "step-up" in client.post(place, device_form(gateway) | {"seen": RUNS})["Location"]
    assert not Device.objects.exists()
    assert not GatewayMeasurement.objects.exclude(approved_at=None).exists()


def test_what_a_gateway_runs_is_approved_as_it_was_seen(admin, cast, gateway) -> None:
    first = shows(gateway)
    assert "not approved yet" in admin.get("/devices/").content.decode()
    approve = reverse("devices:gateway_approve", args=[gateway.pk])
    assert first.code in admin.get(approve).content.decode()
    other = shows(gateway, "cd" * 64)  # while somebody looks at the page it connects with something else
    admin.post(approve, {"seen": RUNS})
    assert not GatewayMeasurement.objects.exclude(approved_at=None).exists()
    admin.post(approve, {"seen": other.value})
    other.refresh_from_db()
    assert other.approved_by == cast["administrator"]
    assert Event.objects.get(code="gateway_measurement_approved").user == cast["administrator"]
    assert "approved" in admin.get("/devices/").content.decode()
    assert "approved already" in admin.get(approve).content.decode()


def test_a_gateway_that_shows_something_else_than_was_approved_stands_out_in_the_table(admin, gateway) -> None:
    GatewayMeasurement.objects.update_or_create(
        gateway=gateway, value=RUNS, defaults={"seen_at": timezone.now(), "approved_at": timezone.now()}
    )
    shows(gateway, "cd" * 64)
    assert "changed" in admin.get("/devices/").content.decode()


def test_steps_of_setting_up_are_shown_to_those_who_may_take_them(client, cast, gateway) -> None:
    sign_in(client, cast["nurse"], fresh=True)
    assert "Setting it up" not in client.get(reverse("devices:gateway", args=[gateway.pk])).content.decode()
