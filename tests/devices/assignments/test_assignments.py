"""Who wore which device when: written with every change, never overlapping, and never wrong about a reading."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from compliance.models import Event
from devices.models import Device, DeviceAssignment
from devices.services.registry import assign_device, register_device, register_gateway

pytestmark = [pytest.mark.django_db, pytest.mark.strict_wear]
AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def device(ward, patient) -> Device:
    gateway = register_gateway(name="gw", ward=ward, public_key=bytes(32))
    return register_device(serial="S-1", kind="cgm", label="CGM", gateway=gateway, patient=patient)[0]


def spans(device: Device) -> list[tuple[object, bool]]:
    """Return whose each span is and whether it goes on, oldest first."""
    held = DeviceAssignment.objects.filter(device=device).order_by("starts_at", "pk")
    return [(span.patient, span.ends_at is None) for span in held]


def hour(n: int) -> datetime:
    return AT + timedelta(hours=n)


def test_a_device_is_worn_from_when_it_was_put_on(device, patient) -> None:
    (span,) = DeviceAssignment.objects.filter(device=device)
    assert span.patient == patient
    assert abs(span.starts_at - timezone.now()) < timedelta(minutes=1)


def test_moving_a_device_ends_one_span_where_the_next_begins(device, patient, foreign_patient) -> None:
    assign_device(device=device, patient=foreign_patient)
    assign_device(device=device, patient=None)
    assign_device(device=device, patient=patient)
    assert spans(device) == [(patient, False), (foreign_patient, False), (patient, True)]
    first, second, third = DeviceAssignment.objects.filter(device=device).order_by("starts_at", "pk")
    assert first.ends_at == second.starts_at
    assert second.ends_at <= third.starts_at


@pytest.mark.parametrize("way", ["save", "update", "sql"])
def test_a_change_behind_the_services_back_is_written_too(device, patient, foreign_patient, way: str) -> None:
    if way == "save":
        device.patient = foreign_patient
        device.save()
    elif way == "update":
        Device.objects.update(patient=foreign_patient)
    else:
        key = foreign_patient.pk if connection.vendor == "postgresql" else foreign_patient.pk.hex
        with connection.cursor() as cursor:
            cursor.execute("UPDATE devices_device SET patient_id = %s", [key])
    assert spans(device) == [(patient, False), (foreign_patient, True)]
    Device.objects.update(patient=None)
    assert spans(device) == [(patient, False), (foreign_patient, False)]


def test_a_device_made_in_bulk_is_worn(device, patient) -> None:
    (made,) = Device.objects.bulk_create(
        [Device(serial="S-2", kind="cgm", label="CGM", gateway=device.gateway, patient=patient, key_sealed=b"")]
    )
    assert spans(made) == [(patient, True)]


def test_a_person_whose_record_goes_leaves_a_span_that_is_nobodys(device, foreign_patient) -> None:
    assign_device(device=device, patient=foreign_patient)
    foreign_patient.events.update(patient=None)
    foreign_patient.delete()
    assert spans(device)[1] == (None, False)
    assert Device.objects.get().patient is None


@pytest.mark.parametrize(
    ("starts", "ends"), [(1, 3), (0, 1), (2, 4), (0, 5), (1, 2), (3, None), (0, None)],
)  # fmt: skip
def test_the_database_refuses_spans_that_overlap(device, patient, starts: int, ends: int | None) -> None:
    DeviceAssignment.objects.filter(device=device).delete()
    for number in (0, 1, 3):  # [0, 1), [1, 2) and [3, 4) stand
        until = hour(number + 1)
        DeviceAssignment.objects.create(device=device, patient=patient, starts_at=hour(number), ends_at=until)
    with pytest.raises(IntegrityError), transaction.atomic():
        until_given = None if ends is None else hour(ends)
        DeviceAssignment.objects.create(device=device, patient=patient, starts_at=hour(starts), ends_at=until_given)
    with pytest.raises(IntegrityError), transaction.atomic():
        DeviceAssignment.objects.filter(starts_at=hour(0)).update(ends_at=hour(4))
    DeviceAssignment.objects.create(device=device, patient=patient, starts_at=hour(2), ends_at=hour(3))


def test_a_span_does_not_end_before_it_begins(device) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        DeviceAssignment.objects.update(ends_at=AT - timedelta(days=900))


def filled(device: Device) -> list[tuple[object, object, object]]:
    """Run the migration's filling over the events that stand; return the spans."""
    DeviceAssignment.objects.all().delete()
    import_module("devices.migrations.0010_assignments").fill(apps, None)
    held = DeviceAssignment.objects.filter(device=device).order_by("starts_at", "pk")
    return [(span.patient, span.starts_at, span.ends_at) for span in held]


def test_what_is_known_from_events_becomes_spans(device, patient, foreign_patient) -> None:
    assign_device(device=device, patient=foreign_patient)
    assign_device(device=device, patient=None)
    assign_device(device=device, patient=patient)
    told = Event.objects.filter(code__startswith="device_")
    for place, event in enumerate(told.order_by("pk")):
        Event.objects.filter(pk=event.pk).update(at=hour(place))
    assert filled(device) == [
        (patient, hour(0), hour(1)), (foreign_patient, hour(2), hour(3)), (patient, hour(4), None)
    ]  # fmt: skip


def test_of_a_device_that_was_moved_untold_only_what_is_certain_is_kept(device, patient, foreign_patient) -> None:
    Device.objects.update(patient=foreign_patient)
    ((who, starts, ends),) = filled(device)
    assert (who, ends) == (foreign_patient, None)
    assert timezone.now() - starts < timedelta(minutes=1)
