"""Work on a study as a leased row: the broker only wakes a worker, the row says what is to be done and by whom."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from imaging.models.studies import Study


class JobKind(models.TextChoices):
    """What is to be done."""

    OPEN = "open", "open and archive"
    RECONSTRUCT = "reconstruct", "reconstruct"


class JobState(models.TextChoices):
    """Where a job stands."""

    QUEUED = "queued", "waiting"
    RUNNING = "running", "running"
    DONE = "done", "done"
    SET_ASIDE = "set_aside", "set aside"


class ImagingJob(models.Model):
    """One job. Exactly one worker holds its lease; a lease that runs out is taken over by the next one."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="jobs")
    kind = models.CharField(max_length=16, choices=JobKind.choices)
    state = models.CharField(max_length=16, choices=JobState.choices, default=JobState.QUEUED)
    lease = models.UUIDField(null=True, blank=True)  # of the worker that holds it
    lease_until = models.DateTimeField(null=True, blank=True)  # while queued: not before
    attempts = models.PositiveSmallIntegerField(default=0)
    progress = models.FloatField(default=0.0)  # 0 to 1
    stage = models.CharField(max_length=60, blank=True)
    lamda = models.FloatField(default=0.003)  # of CG-SENSE; spelt so that Python takes it
    error_code = models.CharField(max_length=64, blank=True)
    error = models.CharField(max_length=240, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["created_at"]
        indexes: ClassVar = [models.Index(fields=["state", "lease_until"], name="job_due")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["study", "kind"],
                condition=models.Q(state__in=["queued", "running"]),
                name="one_unfinished_job_per_kind",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} job {self.pk} ({self.state})"
