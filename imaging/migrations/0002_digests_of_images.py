"""What every image has to be, so that whatever changes it behind the house's back is told."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("imaging", "0001_studies"),
    ]

    operations = [
        migrations.AddField(
            model_name="instance",
            name="file_sha256",
            field=models.BinaryField(default=bytes, max_length=32),
        ),
        migrations.AddField(
            model_name="instance",
            name="mask_sha256",
            field=models.BinaryField(default=bytes, max_length=32),
        ),
        migrations.AddField(
            model_name="instance",
            name="pixels_sha256",
            field=models.BinaryField(default=bytes, max_length=32),
        ),
    ]
