"""Observations that a client of the FHIR API brought: beside the readings of our own devices, never among them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from compliance.models import ApiToken, Patient, User
from compliance.policy import Resource


class ExternalObservation(models.Model):
    """One value, or a pair of pressures, that somebody else measured.

    No device of ours proves it, so that it neither enters the twin's state nor raises an alarm.
    """

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="external_observations")
    metric = models.CharField(max_length=32)  # key in devices.kinds; "bp" for a pair
    value = models.FloatField()  # in the metric's unit; of a pair the systolic pressure
    second = models.FloatField(null=True, blank=True)  # of a pair the diastolic pressure
    at = models.DateTimeField()
    received_at = models.DateTimeField()
    recorded_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    token = models.ForeignKey(ApiToken, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering: ClassVar = ["-at"]
        indexes: ClassVar = [models.Index(fields=["patient", "-at"], name="external_by_patient")]

    def __str__(self) -> str:
        return f"external {self.metric} {self.pk}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.patient.policy_resource()
