"""Moments of change for what was there before: as far as events, orders and corrections tell of them."""

from datetime import UTC, datetime, time

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import Max, Min


def fill(apps: StateApps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Date each record by the first event that speaks of it, and each regimen by its order."""
    patients, regimens = (
        apps.get_model("compliance", "Patient").objects,
        apps.get_model("compliance", "Regimen").objects,
    )
    events = apps.get_model("compliance", "Event").objects
    corrections = apps.get_model("compliance", "Correction").objects.filter(outcome="changed")
    for patient_id in patients.values_list("pk", flat=True).iterator():
        first = events.filter(patient_id=patient_id).aggregate(at=Min("at"))["at"]
        mine = corrections.filter(patient_id=patient_id)
        last = mine.aggregate(at=Max("request__closed_at"))["at"] or first
        known = {} if first is None else {"recorded_at": first, "changed_at": last}
        patients.filter(pk=patient_id).update(edition=1 + mine.count(), **known)
    orders = apps.get_model("compliance", "MedicationOrder").objects
    prescribed = dict(orders.values_list("regimen_id", "prescribed_at"))
    for regimen_id, starts_on in regimens.values_list("pk", "starts_on").iterator():
        at = prescribed.get(regimen_id, datetime.combine(starts_on, time(), tzinfo=UTC))
        regimens.filter(pk=regimen_id).update(recorded_at=at)


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0025_moments_of_change"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
