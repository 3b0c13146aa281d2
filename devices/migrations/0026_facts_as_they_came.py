"""Facts of a kind are looked up as they came, not by the clock of a gateway."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Put one index in the place of the other."""

    dependencies: ClassVar = [("devices", "0025_homes")]

    operations: ClassVar = [
        migrations.RemoveIndex(model_name="edgefact", name="fact_by_kind"),
        migrations.AddIndex(
            model_name="edgefact",
            index=models.Index(fields=["device", "kind", "-received_at", "-id"], name="fact_as_it_came"),
        ),
    ]
