"""What changed in the registry, told by the database itself, so that nobody has to read all of it again to find out."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Watched(models.TextChoices):
    """A table whose changes are noted."""

    GATEWAYS = "gateways"
    DEVICES = "devices"
    PAPERS = "papers"  # certificates: rarely, and then of gateways or of devices


class RegistryChange(models.Model):
    """One change, written by a trigger in the transaction that made it; see `devices.services.registry_watch`.

    Rows are only added: a counter in one row would make every registration wait for the one before.
    """

    table = models.CharField(max_length=8, choices=Watched.choices)
    at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["at"], name="registry_change_by_time")]

    def __str__(self) -> str:
        return f"{self.table} at {self.at:%H:%M:%S}"
