"""Monthly reports: asked for, made by a worker, kept as they were signed."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from compliance.models.people import User, Ward
from compliance.policy import Resource


class ReportState(models.TextChoices):
    """How far a report is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ComplianceReport(models.Model):
    """One ward's month. `document` is the signed JSON and `pdf` its pages; neither changes once it is done."""

    ward = models.ForeignKey(Ward, on_delete=models.PROTECT, related_name="+")
    month = models.DateField()  # its first day
    state = models.CharField(max_length=8, choices=ReportState.choices, default=ReportState.QUEUED)
    progress = models.PositiveSmallIntegerField(default=0)  # per cent
    digest = models.CharField(max_length=64, blank=True)
    document = models.TextField(blank=True)
    pdf = models.BinaryField(null=True)
    requested_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    requested_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-requested_at"]
        indexes: ClassVar = [models.Index(fields=["ward", "-requested_at"], name="report_by_ward")]

    def __str__(self) -> str:
        return f"report {self.pk} of ward {self.ward_id} for {self.month:%Y-%m}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return Resource(ward_id=self.ward_id)
