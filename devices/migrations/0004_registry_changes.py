"""Changes of the registry are noted by the database itself."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0003_energy_hours"),
    ]

    operations = [
        migrations.CreateModel(
            name="RegistryChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("table", models.CharField(choices=[("gateways", "Gateways"), ("devices", "Devices")], max_length=8)),
                ("at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["at"], name="registry_change_by_time")],
            },
        ),
    ]
