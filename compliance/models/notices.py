"""What the people who run the house must not miss."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from compliance.policy import Resource


class NoticePriority(models.TextChoices):
    """How urgent a notice is."""

    CRITICAL = "critical"  # evidence was tampered with
    HIGH = "high"  # a protection does not work, or may have been got around
    MEDIUM = "medium"  # somebody has to judge it in these days
    LOW = "low"


class Notice(models.Model):
    """Something that the people who run the house must see on every page until one of them has taken it on."""

    code = models.CharField(max_length=64)
    message = models.CharField(max_length=240)
    priority = models.CharField(max_length=8, choices=NoticePriority.choices, default=NoticePriority.HIGH)
    at = models.DateTimeField(default=timezone.now)
    ward_id = models.BigIntegerField(null=True, blank=True)  # None concerns the whole house
    subject = models.CharField(max_length=80)  # one notice for one thing while it is open
    places = models.JSONField(default=list, blank=True)  # where the fault was found, as far as they are known
    link = models.CharField(max_length=120, blank=True)
    taken_by_id = models.BigIntegerField(null=True, blank=True)
    taken_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["code", "subject"], condition=models.Q(taken_at__isnull=True), name="notice_open_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.code} at {self.at:%Y-%m-%d %H:%M}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return Resource(ward_id=self.ward_id)
