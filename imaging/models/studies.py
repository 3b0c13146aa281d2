"""Study, series, instance: DICOM's own hierarchy. Pixels lie encrypted in the archive folder, never in the database."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils import timezone

from compliance.models import Patient
from compliance.policy import Resource
from devices.models import Gateway


class StudyState(models.TextChoices):
    """Where a study stands on its way from the scanner to the reader."""

    WAITING = "waiting", "waiting for a worker"
    OPENING = "opening", "being opened"
    RECONSTRUCTING = "reconstructing", "being reconstructed"
    READY = "ready", "ready"
    SET_ASIDE = "set_aside", "set aside"


class Urgency(models.IntegerChoices):
    """How soon somebody must look; the worklist's order."""

    STAT = 0, "stat"
    URGENT = 1, "urgent"
    ROUTINE = 2, "routine"


class Study(models.Model):
    """One examination. Its identifier is the one that the gateway gave the sealed study."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, null=True, blank=True, related_name="studies")
    gateway = models.ForeignKey(Gateway, on_delete=models.PROTECT, related_name="studies")
    state = models.CharField(max_length=16, choices=StudyState.choices, default=StudyState.WAITING)
    urgency = models.PositiveSmallIntegerField(choices=Urgency.choices, default=Urgency.ROUTINE)
    content = models.CharField(max_length=8)  # "dicom" or "kspace"
    modality = models.CharField(max_length=16, blank=True)
    description = models.CharField(max_length=120, blank=True)
    study_uid = models.CharField(max_length=64, blank=True)  # StudyInstanceUID
    taken_on = models.DateField(null=True, blank=True)
    synthetic = models.BooleanField(default=False)  # a made phantom; said wherever it is shown
    reason_code = models.CharField(max_length=64, blank=True)  # why it was set aside
    reason = models.CharField(max_length=240, blank=True)
    archive_key = models.BinaryField(default=bytes)  # 32 random bytes, sealed by the archive's secret box
    received_bytes = models.BigIntegerField(default=0)
    received_at = models.DateTimeField(default=timezone.now)
    ready_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["urgency", "-received_at"]
        verbose_name_plural = "studies"
        indexes: ClassVar = [
            models.Index(fields=["urgency", "-received_at"], name="study_worklist"),
            models.Index(fields=["patient", "-received_at"], name="study_by_patient"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    def policy_resource(self) -> Resource:
        """Return what the policy judges: the patient, or the scanner's ward while nobody is assigned."""
        if self.patient is not None:
            return self.patient.policy_resource()
        return Resource(ward_id=self.gateway.ward_id)


class SeriesKind(models.TextChoices):
    """Where the pixels of a series come from."""

    ACQUIRED = "acquired", "acquired"
    KSPACE = "kspace", "raw k-space"
    ZERO_FILLED = "zero_filled", "zero-filled"
    CG_SENSE = "cg_sense", "CG-SENSE"


class Series(models.Model):
    """Images that belong together: one acquisition, or one reconstruction of it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="series")
    kind = models.CharField(max_length=16, choices=SeriesKind.choices, default=SeriesKind.ACQUIRED)
    series_uid = models.CharField(max_length=64)  # SeriesInstanceUID
    number = models.IntegerField(default=0)
    modality = models.CharField(max_length=16, blank=True)
    description = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering: ClassVar = ["number", "kind", "series_uid"]
        verbose_name_plural = "series"
        constraints: ClassVar = [models.UniqueConstraint(fields=["study", "series_uid"], name="series_once_per_study")]

    def __str__(self) -> str:
        return f"{self.kind} series {self.id}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.study.policy_resource()


class Instance(models.Model):
    """One image. `pixels` in the archive are 16-bit little-endian values, frames after each other, row by row;
    the quantity shown is value * slope + intercept (for CT in Hounsfield units)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="instances")
    sop_uid = models.CharField(max_length=64)  # SOPInstanceUID
    number = models.IntegerField(default=0)
    position_mm = models.FloatField(null=True, blank=True)  # along the slice normal; orders the stack
    rows = models.PositiveIntegerField()
    columns = models.PositiveIntegerField()
    frames = models.PositiveIntegerField(default=1)
    signed = models.BooleanField(default=False)
    slope = models.FloatField(default=1.0)
    intercept = models.FloatField(default=0.0)
    window_centre = models.FloatField()
    window_width = models.FloatField()
    inverted = models.BooleanField(default=False)  # MONOCHROME1: low values are bright
    row_spacing_mm = models.FloatField(null=True, blank=True)
    column_spacing_mm = models.FloatField(null=True, blank=True)
    note = models.CharField(max_length=200, blank=True)  # how a reconstruction was made
    # SHA-256, taken as the image was made; empty where there is no such file, and on images from before.
    file_sha256 = models.BinaryField(max_length=32, default=bytes)  # the archived DICOM file or k-space
    mask_sha256 = models.BinaryField(max_length=32, default=bytes)  # the sampling mask
    pixels_sha256 = models.BinaryField(max_length=32, default=bytes)  # the values as shown

    class Meta:
        ordering: ClassVar = ["position_mm", "number", "sop_uid"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["series", "sop_uid"], name="instance_once_per_series")]

    def __str__(self) -> str:
        return f"instance {self.id}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.series.policy_resource()
