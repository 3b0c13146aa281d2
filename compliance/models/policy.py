"""Versions of the policy, shifts, and records that were opened in an emergency."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from compliance.models.people import Patient, User
from compliance.policy import Resource


class PolicyVersion(models.Model):
    """A policy that was put down. One at most is active; without one the policy that comes with the house decides."""

    text = models.TextField()
    sha256 = models.CharField(max_length=64)
    note = models.CharField(max_length=200, blank=True)  # why it was changed
    made_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    made_at = models.DateTimeField()
    active = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["active"], condition=Q(active=True), name="one_active_policy")
        ]

    def __str__(self) -> str:
        return f"policy {self.pk} {self.sha256[:8]}"


class PolicyActivation(models.Model):
    """When which version began to decide; no version stands for the policy that comes with the house."""

    version = models.ForeignKey(
        PolicyVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="activations"
    )
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-pk"]

    def __str__(self) -> str:
        return f"policy {self.version_id} from {self.at:%Y-%m-%d %H:%M}"


class Shift(models.Model):
    """When a person is at work. Whoever has no shifts recorded is not held to any."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="shifts")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-starts_at"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="shift_ends_after_it_starts")
        ]

    def __str__(self) -> str:
        return f"shift of user {self.user_id} from {self.starts_at:%Y-%m-%d %H:%M}"


class EmergencyAccess(models.Model):
    """A record that somebody opened outside their care relationship, why, until when, and how that was judged."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="emergency_accesses")
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="emergency_accesses")
    reason = models.CharField(max_length=32)  # a code of the policy that was active
    reason_words = models.CharField(max_length=160)  # as the policy had them then
    explanation = models.TextField(max_length=1000)  # for the reviewer alone
    opened_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reviewed_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    reviewed_at = models.DateTimeField(null=True, blank=True)
    justified = models.BooleanField(null=True, blank=True)
    review_note = models.TextField(max_length=1000, blank=True)

    class Meta:
        ordering: ClassVar = ["-opened_at"]
        indexes: ClassVar = [models.Index(fields=["user", "-ends_at"], name="emergency_by_user")]

    def __str__(self) -> str:
        return f"emergency access {self.id}"

    def open_at(self, now: datetime) -> bool:
        """Tell whether it holds at `now`."""
        return self.opened_at <= now < self.ends_at

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.patient.policy_resource()
