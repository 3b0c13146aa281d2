"""When devices of before were last changed: by the newest event that tells of it, or else when they were made."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import Max

TOLD = (
    "device_registered", "device_assigned", "device_unassigned", "device_active", "device_quarantined",
    "device_retired",
)  # fmt: skip


def fill(apps: StateApps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Date each device."""
    devices, events = apps.get_model("devices", "Device").objects, apps.get_model("compliance", "Event").objects
    told = events.filter(code__in=TOLD, device_id__isnull=False).order_by()
    newest = dict(told.values_list("device_id").annotate(at=Max("at")))
    for device_id, created_at in devices.values_list("pk", "created_at").iterator():
        devices.filter(pk=device_id).update(changed_at=newest.get(device_id, created_at))


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0013_reports"),
        ("devices", "0012_moments_of_change"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
