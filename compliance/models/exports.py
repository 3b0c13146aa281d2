"""Bulk exports: what was asked for by whom, how far it is, and the files that came of it."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from compliance.models.people import Patient, User, Ward
from compliance.models.tokens import ApiToken


class ExportState(models.TextChoices):
    """Where an export stands."""

    QUEUED = "queued", "waiting"
    RUNNING = "running", "running"
    DONE = "done", "ready"
    FAILED = "failed", "failed"


class ExportLevel(models.TextChoices):
    """Whose data: everything in reach, what belongs to patients, or to those of one ward; or a copy of one record."""

    SYSTEM = "system", "everything"
    PATIENT = "patient", "all patients"
    GROUP = "group", "one ward"
    RECORD = "record", "one record"


class BulkExport(models.Model):
    """One export as a leased row: a broker message only wakes a worker, which the row tells what to do.

    scopes: of the token that asked; empty for a signed-in person. A cancelled or expired export is deleted.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    token = models.ForeignKey(ApiToken, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    by_token = models.BooleanField(default=False)
    scopes = models.CharField(max_length=1000, blank=True)
    base = models.CharField(max_length=200)  # the API's own address, for the links in what is exported
    request = models.CharField(max_length=1000)
    level = models.CharField(max_length=8, choices=ExportLevel.choices)
    ward = models.ForeignKey(Ward, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, null=True, blank=True, related_name="copies")
    types = models.JSONField()
    since = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=8, choices=ExportState.choices, default=ExportState.QUEUED)
    lease = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    progress = models.CharField(max_length=100, blank=True)
    error = models.CharField(max_length=240, blank=True)
    started_at = models.DateTimeField()  # transactionTime: nothing younger is contained
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    smallest_group = models.PositiveSmallIntegerField(null=True, blank=True)  # k; set for de-identified ones alone
    report = models.JSONField(default=dict, blank=True)  # of a de-identified one: figures, nobody's
    subjects = models.JSONField(default=list, blank=True)  # ids of those in it, under no order: consent is asked again

    class Meta:
        ordering: ClassVar = ["-started_at"]
        indexes: ClassVar = [models.Index(fields=["state", "lease_until"], name="export_due")]

    def __str__(self) -> str:
        return f"export {self.pk} ({self.state})"

    @property
    def deidentified(self) -> bool:
        """Tell whether it holds records without the people in them."""
        return self.smallest_group is not None


class ExportFile(models.Model):
    """One NDJSON file of an export; its key is sealed (compliance.secretbox, purpose "bulk-export")."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    export = models.ForeignKey(BulkExport, on_delete=models.CASCADE, related_name="files")
    type = models.CharField(max_length=40)
    number = models.PositiveIntegerField()
    lines = models.PositiveIntegerField()
    key_sealed = models.BinaryField()

    class Meta:
        ordering: ClassVar = ["type", "number"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["export", "type", "number"], name="export_file_once")]

    def __str__(self) -> str:
        return f"{self.type} file {self.number} of export {self.export_id}"
