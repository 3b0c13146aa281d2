"""Seal what says who a patient is, in place; backwards, open it again.

One file where others are three: plain and sealed values in one column at once would be readable by neither version.
"""

from __future__ import annotations

from typing import Any

from django.db import migrations, models

import compliance.models.sealed
from compliance import subject_keys
from compliance.keyring import archive_box, field_box

SEALED = ("medical_record_number", "given_name", "family_name", "birth_date")
TABLE, INDEX, CHECK = "compliance_patient", "record-number-index", "archive-check"


def seal(apps: Any, editor: Any) -> None:
    """Give every patient a key, seal under it, and make the index of record numbers."""
    index_key = subject_keys.new_key()
    sealed_key = field_box("house-key").seal(index_key, INDEX.encode())
    keys = apps.get_model("compliance", "HouseKey").objects
    keys.create(pk=INDEX, key_sealed=sealed_key)
    keys.create(pk=CHECK, key_sealed=archive_box().seal(subject_keys.new_key(), CHECK.encode()))
    patients = apps.get_model("compliance", "Patient").objects
    seen: dict[str, Any] = {}
    for row in patients.order_by().values("pk", *SEALED).iterator():
        key, pk = subject_keys.new_key(), row["pk"]
        found = subject_keys.blind(index_key, row["medical_record_number"])
        if found in seen:
            raise ValueError(
                f"The patients {seen[found]} and {pk} have record numbers that differ only in case or spaces: "
                "give one of them another, then migrate again."
            )
        seen[found] = pk
        fields = {name: subject_keys.seal_text(key, str(row[name]), TABLE, name, pk) for name in SEALED}
        wrapped = subject_keys.wrap(key, pk)
        patients.filter(pk=pk).update(subject_key=wrapped, record_number_index=found, **fields)
    # A patient's account held a second copy of the name, which would lie there unsealed.
    apps.get_model("compliance", "User").objects.filter(own_patient__isnull=False).update(first_name="", last_name="")
    _settle(editor)


def unseal(apps: Any, editor: Any) -> None:
    """Write plain values again. Whoever was erased stays so, under words that say it."""
    patients = apps.get_model("compliance", "Patient").objects
    people = apps.get_model("compliance", "User").objects
    for row in patients.order_by().values("pk", "subject_key", *SEALED).iterator():
        pk = row["pk"]
        if row["subject_key"] is None:
            fields = {"medical_record_number": pk.hex, "given_name": "Erased", "family_name": "person"}
            patients.filter(pk=pk).update(**fields, birth_date="1900-01-01")
            continue
        key = subject_keys.unwrap(bytes(row["subject_key"]), pk)
        fields = {name: subject_keys.open_text(key, row[name], TABLE, name, pk) for name in SEALED}
        patients.filter(pk=pk).update(**fields)
        people.filter(own_patient=pk).update(first_name=fields["given_name"], last_name=fields["family_name"])
    apps.get_model("compliance", "HouseKey").objects.all().delete()
    _settle(editor)


def _settle(editor: Any) -> None:
    """Let PostgreSQL check keys now: it alters no table on whose rows a deferred check waits."""
    if editor.connection.vendor == "postgresql":
        editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        editor.execute("SET CONSTRAINTS ALL DEFERRED")


class Migration(migrations.Migration):
    dependencies = [("compliance", "0018_rule_trials")]

    operations = [
        migrations.CreateModel(
            name="HouseKey",
            fields=[
                ("name", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("key_sealed", models.BinaryField()),
            ],
        ),
        migrations.AlterModelOptions(name="patient", options={"ordering": ["bed", "id"]}),
        migrations.AddField("patient", "subject_key", models.BinaryField(null=True, editable=False)),
        migrations.AddField("patient", "record_number_index", models.CharField(max_length=64, null=True)),
        *[migrations.AlterField("patient", name, models.TextField()) for name in SEALED],
        migrations.RunPython(seal, unseal),
        *[
            migrations.AlterField("patient", name, compliance.models.sealed.SealedTextField())
            for name in SEALED
            if name != "birth_date"
        ],
        migrations.AlterField("patient", "birth_date", compliance.models.sealed.SealedDateField()),
        migrations.AlterField(
            "patient", "subject_key", compliance.models.sealed.SubjectKeyField(editable=False, null=True)
        ),
        migrations.AlterField(
            "patient",
            "record_number_index",
            compliance.models.sealed.BlindIndexField(
                editable=False, max_length=64, source="medical_record_number", unique=True
            ),
        ),
    ]
