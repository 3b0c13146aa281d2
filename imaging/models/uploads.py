"""A study on its way in: the signed manifest is here, its pieces are files in the incoming folder."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from devices.models import Gateway


class UploadState(models.TextChoices):
    """Whether pieces are still expected."""

    OPEN = "open"
    COMPLETE = "complete"


class Upload(models.Model):
    """One upload. Which pieces are here is read from the folder, so that a row can never disagree with the disk."""

    id = models.UUIDField(primary_key=True)  # the study's identifier
    gateway = models.ForeignKey(Gateway, on_delete=models.PROTECT, related_name="uploads")
    manifest = models.BinaryField()
    signature = models.BinaryField(max_length=64)
    state = models.CharField(max_length=16, choices=UploadState.choices, default=UploadState.OPEN)
    pieces = models.PositiveIntegerField()
    sealed_bytes = models.BigIntegerField()
    begun_at = models.DateTimeField(default=timezone.now)
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["gateway", "state"], name="upload_by_gateway")]

    def __str__(self) -> str:
        return f"upload {self.id} ({self.state})"
