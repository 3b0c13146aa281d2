"""Old minutes are summed up into hours."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0002_energy")]

    operations = [
        migrations.RemoveConstraint(model_name="energyusage", name="energy_once_per_minute"),
        migrations.RemoveIndex(model_name="energyusage", name="energy_by_patient"),
        migrations.RenameField(model_name="energyusage", old_name="minute", new_name="starts_at"),
        migrations.AddField(
            model_name="energyusage",
            name="span_s",
            field=models.PositiveIntegerField(choices=[(60, "Minute"), (3600, "Hour")], default=60),
        ),
        migrations.AddField(
            model_name="energyusage", name="minutes", field=models.PositiveSmallIntegerField(default=1)
        ),
        migrations.AddIndex(
            model_name="energyusage", index=models.Index(fields=["patient", "starts_at"], name="energy_by_patient")
        ),
        migrations.AddConstraint(
            model_name="energyusage",
            constraint=models.UniqueConstraint(
                fields=["device", "hop", "link", "span_s", "starts_at"], name="energy_once_per_span"
            ),
        ),
    ]
