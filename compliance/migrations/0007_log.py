"""Entries, tiles and signed heads of the transparency log; notices for those who run the house."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0006_browser_sessions"),
    ]

    operations = [
        migrations.CreateModel(
            name="LogCheckpoint",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("size", models.BigIntegerField(unique=True)),
                ("root", models.BinaryField(max_length=32)),
                ("note", models.TextField()),
                ("witnesses", models.PositiveSmallIntegerField(default=0)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "ordering": ["-size"],
            },
        ),
        migrations.CreateModel(
            name="Witness",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=120, unique=True)),
                ("key", models.CharField(max_length=240)),
                ("signed_size", models.BigIntegerField(default=0)),
                ("signed_at", models.DateTimeField(blank=True, null=True)),
                ("trouble", models.CharField(blank=True, max_length=240)),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="LogEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=64)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                ("patient_id", models.UUIDField(blank=True, null=True)),
                ("ward_id", models.BigIntegerField(blank=True, null=True)),
                ("event_id", models.BigIntegerField(blank=True, null=True, unique=True)),
                ("salt", models.BinaryField(max_length=32, null=True)),
                ("record", models.TextField(null=True)),
                ("commitment", models.BinaryField(max_length=32)),
                ("leaf_index", models.BigIntegerField(blank=True, null=True, unique=True)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["patient_id", "-id"], name="log_by_patient"),
                    models.Index(
                        condition=models.Q(("leaf_index__isnull", True)), fields=["id"], name="log_unsequenced"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LogTile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("level", models.PositiveSmallIntegerField()),
                ("number", models.BigIntegerField()),
                ("hashes", models.BinaryField(max_length=8192)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("level", "number"), name="log_tile_once")],
            },
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=64)),
                ("message", models.CharField(max_length=240)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                ("ward_id", models.BigIntegerField(blank=True, null=True)),
                ("subject", models.CharField(max_length=80)),
                ("link", models.CharField(blank=True, max_length=120)),
                ("taken_by_id", models.BigIntegerField(blank=True, null=True)),
                ("taken_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-at"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("taken_at__isnull", True)),
                        fields=("code", "subject"),
                        name="notice_open_once",
                    )
                ],
            },
        ),
    ]
