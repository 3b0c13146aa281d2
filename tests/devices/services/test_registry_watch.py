"""The database notes what changed in the registry, whoever changed it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from devices.models import Device, DeviceState, Gateway, RegistryChange, Watched
from devices.services.directory import Directory
from devices.services.registry import register_device, register_gateway, set_device_state
from devices.services.registry_watch import forget_old_changes, put_up_triggers, registry_marks

pytestmark = pytest.mark.django_db


@pytest.fixture
def device(ward, patient):
    gateway = register_gateway(name="gw", ward=ward, public_key=bytes(32))
    return register_device(serial="M-1", kind="cgm", label="CGM", gateway=gateway, patient=patient)[0]


@pytest.fixture
def directory(device):
    directory = Directory()
    directory.refresh()
    return directory


def statement(sql, *values):
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


def test_every_change_that_matters_moves_the_mark(device, patient):
    changes = {
        "state": lambda: statement("UPDATE devices_device SET state = 'quarantined' WHERE id = %s", device.pk),
        "bulk": lambda: Device.objects.update(epoch=9),
        "ward": lambda: type(patient).objects.filter(pk=patient.pk).update(ward_id=patient.ward_id),
        "deletion": lambda: device.delete(),
    }
    seen = [registry_marks()[Watched.DEVICES]]
    for change in changes.values():
        change()
        seen.append(registry_marks()[Watched.DEVICES])
    assert len(set(seen)) == len(changes) + 1


def test_a_sign_of_life_moves_no_mark(device):
    before = registry_marks()
    Gateway.objects.update(last_seen_at=timezone.now(), software="2")
    Device.objects.update(label="New label")
    assert registry_marks() == before


def test_an_unchanged_registry_is_not_read_again(directory, django_assert_num_queries):
    with django_assert_num_queries(1):
        directory.refresh()


def test_a_new_connection_reads_gateways_alone(directory, django_assert_num_queries):
    Gateway.objects.update(connected_at=timezone.now())
    with django_assert_num_queries(2):
        directory.refresh()


def test_a_quarantined_device_is_gone_at_the_next_refresh(directory, device):
    set_device_state(device=device, state=DeviceState.QUARANTINED)
    directory.refresh()
    assert device.pk not in directory.devices


def test_devices_of_a_gateway_stopped_by_hand_are_gone_at_the_next_refresh(directory, device):
    statement("UPDATE devices_gateway SET state = 'retired'")
    directory.refresh()
    assert device.pk not in directory.devices
    assert not directory.gateways[device.gateway_id].active


def test_forgetting_old_changes_is_noticed_and_harmless(directory, device):
    RegistryChange.objects.update(at=timezone.now() - timedelta(hours=1))
    forget_old_changes()
    assert not RegistryChange.objects.exists()
    directory.refresh()
    assert device.pk in directory.devices


def test_triggers_come_back_after_a_migration_that_rebuilt_the_table(device):
    before = registry_marks()
    statement("DROP TRIGGER note_devices_device_update" + _on_table())
    put_up_triggers(using="default")
    Device.objects.update(epoch=5)
    assert registry_marks() != before


def _on_table():
    return " ON devices_device" if connection.vendor == "postgresql" else ""
