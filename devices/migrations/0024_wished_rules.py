"""Room for what is wished of a gateway's rules for a device, and of its cipher."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Nothing is wished of devices of before."""

    dependencies: ClassVar = [("devices", "0023_hearing")]
    operations: ClassVar = [
        migrations.AddField(
            model_name="desiredsettings",
            name="rules",
            field=models.JSONField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="desiredsettings",
            name="suite",
            field=models.PositiveSmallIntegerField(
                blank=True, choices=[(1, "Ascon-AEAD128"), (2, "AES-128-GCM"), (3, "PHOTON-Beetle")], null=True
            ),
        ),
    ]
