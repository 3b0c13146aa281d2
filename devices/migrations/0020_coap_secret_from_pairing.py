from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0019_moments_of_the_first_version"),
    ]

    operations = [
        migrations.AlterField(
            model_name="coapsecret",
            name="secret_sealed",
            field=models.BinaryField(null=True),
        ),
    ]
