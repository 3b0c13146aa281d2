"""What the model expects next, as stored: one row per patient and metric, replaced at each refresh."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from compliance.models import Patient
from compliance.policy import Resource


class Prediction(models.Model):
    """A forecast with its 90 % band. A prediction is never a reading and raises no alarm."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="predictions")
    metric = models.CharField(max_length=32)  # key in devices.kinds
    made_at = models.DateTimeField()  # the present that it starts from: device time of the newest reading
    step_s = models.FloatField()  # seconds between two points; the first lies at made_at
    low = models.JSONField()  # lower end of the band, metric's unit, one number for each point
    middle = models.JSONField()  # the forecast
    high = models.JSONField()  # upper end of the band
    members = models.PositiveIntegerField()  # bodies that the twin simulated for it
    logged_at = models.DateTimeField(null=True, blank=True)  # made_at of the newest one that the log holds
    logged_as = models.CharField(max_length=32, blank=True)  # and what that one concluded

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["patient", "metric"], name="prediction_once_per_metric")
        ]

    def __str__(self) -> str:
        return f"prediction of {self.metric} at {self.made_at:%Y-%m-%d %H:%M:%S}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.patient.policy_resource()
