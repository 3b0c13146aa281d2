"""Who wore which device when, as far as it is known: from the events that told of it."""

from collections import defaultdict
from typing import Any

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.utils import timezone

TOLD = ("device_registered", "device_assigned", "device_unassigned")


def fill(apps: StateApps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Write the spans that the events tell of; readings of any other time belong to nobody.

    A device whose present patient no event names was moved behind the services' back at a time that nobody knows. Its
    last known span is left out, and the present one begins when the device was made, or now if others had it before.
    """
    devices, events = apps.get_model("devices", "Device").objects, apps.get_model("compliance", "Event").objects
    assignment = apps.get_model("devices", "DeviceAssignment")
    told: dict[int, list[tuple[Any, Any]]] = defaultdict(list)
    for event in events.filter(code__in=TOLD, device_id__isnull=False).order_by("at", "pk").iterator():
        told[event.device_id].append((event.at, None if event.code == "device_unassigned" else event.patient_id))
    for device in devices.iterator():
        spans: list[Any] = []
        for at, patient in told[device.pk]:
            if spans and spans[-1].ends_at is None:
                spans[-1].ends_at = at
            if patient is not None:
                spans.append(assignment(device=device, patient_id=patient, starts_at=at))
        held = spans[-1].patient_id if spans and spans[-1].ends_at is None else None
        if held != device.patient_id:
            if held is not None:
                spans.pop()
            if device.patient_id is not None:
                start = timezone.now() if told[device.pk] else device.created_at
                spans.append(assignment(device=device, patient_id=device.patient_id, starts_at=start))
        assignment.objects.bulk_create(spans)


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0013_reports"),
        ("devices", "0009_hl7_outside"),
    ]

    operations = [
        migrations.CreateModel(
            name="DeviceAssignment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField(blank=True, null=True)),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="assignments", to="devices.device"
                    ),
                ),
                (
                    "patient",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="device_assignments",
                        to="compliance.patient",
                    ),
                ),
            ],
            options={
                "ordering": ["device", "starts_at"],
                "indexes": [
                    models.Index(fields=["device", "starts_at"], name="assignment_by_device"),
                    models.Index(fields=["patient", "starts_at"], name="assignment_by_patient"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("ends_at__gte", models.F("starts_at"))),
                        name="assignment_ends_after_its_start",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("ends_at__isnull", True)),
                        fields=("device",),
                        name="one_open_assignment_per_device",
                    ),
                ],
            },
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
