"""The registry: keys are handed out once and stored sealed; every change is kept and announced after the commit."""

from __future__ import annotations

import pytest

from compliance.errors import SecretUnreadable
from compliance.models import Event
from devices.models import Device, DeviceState, Gateway
from devices.protocol.suites import Suite
from devices.selectors.keys import key_of_epoch
from devices.services.registry import (
    CipherRefused,
    RegistrationRefused,
    assign_device,
    device_key,
    register_device,
    register_gateway,
    renew_device_key,
    set_device_state,
)
from devices.signals import device_changed


@pytest.fixture
def gateway(ward) -> Gateway:
    return register_gateway(name="gw-1", ward=ward, public_key=bytes(32))


@pytest.fixture
def device(gateway, patient) -> Device:
    return register_device(serial="S-1", kind="cgm", label="CGM", gateway=gateway, patient=patient)[0]


@pytest.fixture
def announced():
    found: list[int] = []

    def hear(device_id, **_):
        found.append(device_id)

    device_changed.connect(hear)
    yield found
    device_changed.disconnect(hear)


def codes() -> list[str]:
    return list(Event.objects.order_by("pk").values_list("code", flat=True))


def test_device_gets_a_fresh_key_that_is_stored_sealed(gateway, patient) -> None:
    first, key = register_device(serial="A", kind="cgm", label="CGM", gateway=gateway, patient=patient)
    _, other = register_device(serial="B", kind="cgm", label="CGM", gateway=gateway, patient=None)
    assert len(key) == 16
    assert key != other
    assert key not in bytes(first.key_sealed)
    assert device_key(Device.objects.get(pk=first.pk)) == key


def test_key_does_not_open_under_another_field_key(device, settings) -> None:
    settings.FIELD_KEY = "another"
    with pytest.raises(SecretUnreadable):
        device_key(device)


@pytest.mark.parametrize("changes", [{"kind": "toaster"}, {"serial": "S-1"}])
def test_unknown_kind_and_taken_serial_are_refused(device, gateway, changes) -> None:
    with pytest.raises(RegistrationRefused):
        register_device(**({"serial": "S-2", "kind": "cgm"} | changes), label="x", gateway=gateway, patient=None)
    assert Device.objects.count() == 1


@pytest.mark.parametrize(("name", "key"), [("gw-1", bytes(32)), ("gw-2", bytes(31))])
def test_taken_gateway_name_and_short_key_are_refused(gateway, ward, name, key) -> None:
    with pytest.raises(RegistrationRefused):
        register_gateway(name=name, ward=ward, public_key=key)
    assert Gateway.objects.count() == 1


def test_renewed_key_opens_the_next_epoch(device, django_capture_on_commit_callbacks, announced) -> None:
    old = device_key(device)
    with django_capture_on_commit_callbacks(execute=True):
        new = renew_device_key(device=device)
    assert (device.epoch, device_key(device)) == (2, new)
    assert new != old
    assert announced == [device.pk]


def test_another_cipher_begins_with_another_key_and_the_old_one_is_kept_with_its_own(device) -> None:
    old = device_key(device)
    renew_device_key(device=device, suite=Suite.AES_128_GCM)
    assert (device.epoch, device.suite) == (2, Suite.AES_128_GCM)
    assert key_of_epoch(device, 1) == (old, Suite.ASCON_AEAD128)
    assert key_of_epoch(device, 2) == (device_key(device), Suite.AES_128_GCM)
    assert "device_cipher_chosen" in codes()


def test_a_cipher_for_measurement_is_refused_unless_the_house_allows_it(device, gateway, settings) -> None:
    with pytest.raises(CipherRefused):
        renew_device_key(device=device, suite=Suite.PHOTON_BEETLE)
    with pytest.raises(CipherRefused):
        register_device(serial="S-3", kind="cgm", label="x", gateway=gateway, patient=None, suite=Suite.PHOTON_BEETLE)
    assert (device.epoch, Device.objects.count()) == (1, 1)
    settings.MEASUREMENT_CIPHERS = True
    renew_device_key(device=device, suite=Suite.PHOTON_BEETLE)
    assert device.suite == Suite.PHOTON_BEETLE


def test_quarantine_is_kept_and_announced_after_the_commit(
    device, make_user, django_capture_on_commit_callbacks, announced
) -> None:
    by = make_user("administrator")
    with django_capture_on_commit_callbacks(execute=True):
        set_device_state(device=device, state=DeviceState.QUARANTINED, by=by)
        assert announced == []
    assert announced == [device.pk]
    assert Device.objects.get().state == DeviceState.QUARANTINED
    event = Event.objects.get(code="device_quarantined")
    assert (event.device_id, event.user, event.patient) == (device.pk, by, device.patient)


def test_same_state_again_is_not_an_event(device) -> None:
    set_device_state(device=device, state=DeviceState.ACTIVE)
    assert "device_active" not in codes()


def test_retired_device_does_not_come_back(device) -> None:
    set_device_state(device=device, state=DeviceState.RETIRED)
    with pytest.raises(RegistrationRefused):
        set_device_state(device=device, state=DeviceState.ACTIVE)


def test_moving_a_device_is_told_on_both_patients_timelines(device, patient, foreign_patient) -> None:
    assign_device(device=device, patient=foreign_patient)
    assert Device.objects.get().patient == foreign_patient
    assert Event.objects.get(code="device_unassigned").patient == patient
    assert Event.objects.get(code="device_assigned").patient == foreign_patient


def test_taking_a_device_off_leaves_it_free(device) -> None:
    assign_device(device=device, patient=None)
    assert Device.objects.get().patient is None
    assert codes()[-1] == "device_unassigned"


def test_new_device_was_changed_exactly_when_it_was_registered(device) -> None:
    device.refresh_from_db()
    assert device.changed_at == device.created_at
