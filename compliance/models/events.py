"""What happened, worth keeping: security, data quality, clinical acts and operations on one timeline."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from compliance.models.people import Patient, User
from compliance.policy import Resource


class EventCategory(models.TextChoices):
    """Which question an event answers."""

    SECURITY = "security"
    DATA_QUALITY = "data_quality"
    CLINICAL = "clinical"
    OPERATION = "operation"


class Event(models.Model):
    """One named fact. `code` is the code of a DomainError or a past-tense verb; `detail` never holds patient data."""

    category = models.CharField(max_length=16, choices=EventCategory.choices)
    code = models.CharField(max_length=64)
    message = models.CharField(max_length=240)
    at = models.DateTimeField(default=timezone.now)
    patient = models.ForeignKey(Patient, on_delete=models.SET_NULL, null=True, blank=True, related_name="events")
    ward_id = models.BigIntegerField(null=True, blank=True)  # where it happened, for things without a patient
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True)
    device_id = models.BigIntegerField(null=True, blank=True)
    gateway_id = models.BigIntegerField(null=True, blank=True)
    count = models.PositiveIntegerField(default=1)  # a flood of the same fact is one row that counts
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering: ClassVar = ["-at"]
        indexes: ClassVar = [
            models.Index(fields=["category", "-at"], name="event_by_category"),
            models.Index(fields=["patient", "-at"], name="event_by_patient"),
            models.Index(fields=["code", "device_id", "-at"], name="event_by_code"),
        ]

    def __str__(self) -> str:
        return f"{self.code} at {self.at:%Y-%m-%d %H:%M:%S}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.patient.policy_resource() if self.patient is not None else Resource(ward_id=self.ward_id)
