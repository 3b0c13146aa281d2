"""Erasures with their steps, legal holds that forbid them, and runs of the retention job."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils import timezone

from compliance.models.people import Patient, User
from compliance.models.privacy_requests import PrivacyRequest
from compliance.policy import Resource


class Erasure(models.Model):
    """An approved erasure as a leased row: a broker message only wakes a worker, which the row tells what to do.

    Holds codes and numbers alone, so that it can stay when everything about the person is gone.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    request = models.OneToOneField(PrivacyRequest, on_delete=models.CASCADE, related_name="erasure")
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="erasures")
    ward_id = models.BigIntegerField()  # where the person was when it was approved
    ground = models.CharField(max_length=16)
    unbound = models.CharField(max_length=16, blank=True)  # why the law keeps nothing back; empty when it may
    approved_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    approved_at = models.DateTimeField()
    lease = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=240, blank=True)  # why it does not go on
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-approved_at"]
        indexes: ClassVar = [
            models.Index(fields=["lease_until"], name="erasure_due", condition=models.Q(finished_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"erasure {self.pk}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return Resource(ward_id=self.ward_id)


class ErasureStep(models.Model):
    """One part of what is held, and whether it is gone. not_before: until when the law keeps it, None for at once."""

    erasure = models.ForeignKey(Erasure, on_delete=models.CASCADE, related_name="steps")
    part = models.CharField(max_length=32)
    order = models.PositiveSmallIntegerField()
    not_before = models.DateTimeField(null=True, blank=True)
    because = models.CharField(max_length=200, blank=True)
    removed = models.PositiveIntegerField(default=0)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["order", "part"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["erasure", "part"], name="erasure_step_once")]

    def __str__(self) -> str:
        return f"{self.part} of erasure {self.erasure_id}"


class LegalHold(models.Model):
    """Somebody must be able to prove something later: nothing of this person is erased, asked for or over age."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="legal_holds")
    reason = models.CharField(max_length=240)
    placed_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    placed_at = models.DateTimeField(default=timezone.now)
    lift_reason = models.CharField(max_length=240, blank=True)
    lifted_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    lifted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-placed_at"]

    def __str__(self) -> str:
        return f"legal hold {self.pk}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.patient.policy_resource()


class RetentionRun(models.Model):
    """One run of the retention job. removed: kind -> how many items."""

    began_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    schedule = models.CharField(max_length=200)
    removed = models.JSONField(default=dict)
    held = models.PositiveIntegerField(default=0)  # people under a legal hold at that time
    problem = models.CharField(max_length=240, blank=True)

    class Meta:
        ordering: ClassVar = ["-began_at"]

    def __str__(self) -> str:
        return f"retention run {self.pk}"
