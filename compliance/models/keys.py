"""Keys of the house that lie in the database, wrapped under a key outside of it."""

from __future__ import annotations

from django.db import models

from compliance.keyring import archive_box, field_box
from compliance.secretbox import SecretBox
from compliance.subject_keys import new_key

INDEX, ARCHIVE_CHECK = "record-number-index", "archive-check"


class HouseKey(models.Model):
    """One random key under its name. That it opens shows at each start that the key outside is the right one."""

    name = models.CharField(max_length=40, primary_key=True)
    key_sealed = models.BinaryField()

    def __str__(self) -> str:
        return self.name

    def box(self) -> SecretBox:
        """Return the box in which it lies."""
        return archive_box() if self.name == ARCHIVE_CHECK else field_box("house-key")

    def opened(self) -> bytes:
        """Return the key. Raises SecretUnreadable."""
        return self.box().open(bytes(self.key_sealed), self.name.encode())


def house_key(name: str) -> bytes:
    """Return a key of the house, making it where there is none. Raises SecretUnreadable."""
    found = HouseKey.objects.filter(pk=name).first()
    if found is None:  # whoever is first makes it; `get_or_create` gives the others that one
        sealed = HouseKey(name=name).box().seal(new_key(), name.encode())
        found, _ = HouseKey.objects.get_or_create(pk=name, defaults={"key_sealed": sealed})
    return found.opened()
