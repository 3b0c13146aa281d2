"""Configuring a device in the browser: what it is called, and how its gateway shall tell of it."""

from __future__ import annotations

import pytest
from django.urls import reverse

from compliance.models import Event, LogEntry
from devices.models import DesiredSettings, Device, Gateway
from devices.protocol.settings import DeviceSettings
from devices.services.registry import register_device, register_gateway
from devices.services.settings import configure_device
from tests.conftest import sign_in
from tests.devices.pairing.paired import pair_now

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(fresh_client, cast):
    return fresh_client(cast["administrator"])


@pytest.fixture
def device(ward, patient) -> Device:
    gateway = register_gateway(name="North", ward=ward)
    pair_now(gateway)
    made, _key = register_device(
        serial="MON-1", kind="vital_signs_monitor", label="Monitor", gateway=gateway, patient=patient
    )
    return made


def place(device: Device) -> str:
    return reverse("devices:device_settings", args=[device.pk])


def choose(**other: object) -> dict[str, object]:
    return {"label": "Monitor", "every_s": "5", "deflate": "on"} | other


def test_a_wish_is_a_fact_in_the_log_with_what_it_was_and_is(admin, cast, device, patient) -> None:
    answer = admin.post(place(device), choose(), follow=True)
    wish = DesiredSettings.objects.get()
    assert (wish.device, wish.every_s, wish.deflate, wish.set_by) == (device, 5.0, True, cast["administrator"])
    event = Event.objects.get(code="device_configured")
    assert (event.user, event.patient) == (cast["administrator"], patient)
    assert event.detail == {"number": 1, "before": None, "after": {"every_s": 5.0, "deflate": True}}
    assert LogEntry.objects.filter(event_id=event.pk).exists()
    page = answer.content.decode()
    assert "at most one value of each in 5 s, deflated" in page
    assert "has not said yet that it follows" in page
    assert "has not said yet" in admin.get(place(device)).content.decode()


def test_saving_the_same_again_changes_nothing(admin, device) -> None:
    for _ in range(2):
        assert admin.post(place(device), choose()).status_code == 302
    assert Event.objects.filter(code="device_configured").count() == 1
    assert Gateway.objects.get().settings_number == 1


def test_a_new_label_is_noted_without_its_words(admin, cast, device) -> None:
    admin.post(place(device), choose(label="Monitor of Ada", every_s="0", deflate=""))
    device.refresh_from_db()
    assert device.label == "Monitor of Ada"
    event = Event.objects.get(code="device_renamed")
    assert event.user == cast["administrator"]
    assert "Ada" not in f"{event.message}{event.detail}"
    assert not DesiredSettings.objects.exists()


@pytest.mark.parametrize(
    "wrong", [{"every_s": "60"}, {"every_s": "-1"}, {"every_s": "nan"}, {"label": "=1"}, {"label": ""}]
)
def test_what_would_make_values_stale_cannot_be_chosen(admin, device, wrong) -> None:
    assert admin.post(place(device), choose(**wrong)).status_code == 400
    assert not DesiredSettings.objects.exists()
    assert Device.objects.get().label == "Monitor"


def test_a_gateway_that_was_never_paired_takes_nothing(admin, ward) -> None:
    gateway = register_gateway(name="Old", ward=ward, public_key=bytes(32))
    made, _key = register_device(serial="S", kind="cgm", label="Sensor", gateway=gateway, patient=None)
    assert "takes nothing from here" in admin.get(place(made)).content.decode()
    answer = admin.post(place(made), choose(label="Other"))
    assert (answer.status_code, DesiredSettings.objects.exists()) == (400, False)
    assert "pair it first" in answer.content.decode()
    assert admin.post(place(made), choose(label="Other", every_s="0", deflate="")).status_code == 302
    made.refresh_from_db()
    assert made.label == "Other"


def test_only_administrators_with_a_fresh_factor_configure(client, cast, device) -> None:
    for role in ("nurse", "physician", "caregiver", "trainer"):
        sign_in(client, cast[role], fresh=True)
        assert client.post(place(device), choose()).status_code in {403, 404}
        assert "Configure" not in client.get(reverse("devices:device", args=[device.pk])).content.decode()
    sign_in(client, cast["administrator"])
    assert "step-up" in client.post(place(device), choose())["Location"]
    assert not DesiredSettings.objects.exists()


def test_the_energy_page_reckons_with_what_is_wished(admin, device) -> None:
    admin.post(place(device), choose())
    page = admin.get(reverse("devices:device_energy", args=[device.pk])).content.decode()
    assert 'name="period_s" value="5.0"' in page


def test_an_old_page_overwrites_no_newer_wish(admin, device) -> None:
    opened = str(admin.get(place(device)).context["form"]["seen"].value())
    configure_device(device=device, wanted=DeviceSettings(2.0))
    answer = admin.post(place(device), choose(seen=opened, label="Other"))
    assert answer.status_code == 409
    assert "Open it again" in answer.content.decode()
    assert DesiredSettings.objects.get().wanted == DeviceSettings(2.0)
    assert Device.objects.get().label == "Monitor"  # nothing of it was saved
