"""Energy that sending took, per device, hop and minute, later hour: what the energy page adds up."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from compliance.models import Patient, Ward
from compliance.policy import Resource
from devices.models.registry import Device


class Hop(models.TextChoices):
    """Who pays: the device sends to its gateway, the gateway sends on to the server."""

    DEVICE = "device"
    UPLINK = "uplink"


class Span(models.IntegerChoices):
    """How much time a row sums up, in s. Old minutes become hours, or a big hospital's page would crawl."""

    MINUTE = 60
    HOUR = 3600


class EnergyUsage(models.Model):
    """One device's traffic over one hop in one minute or hour, with patient and ward as they were then.

    Bytes are ours, without the headers of the layers below; energies in J, from the model in devices.energy.
    """

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="energy", db_index=False)
    hop = models.CharField(max_length=8, choices=Hop.choices)
    link = models.CharField(max_length=16)
    starts_at = models.DateTimeField(db_index=True)
    span_s = models.PositiveIntegerField(choices=Span.choices, default=Span.MINUTE)
    minutes = models.PositiveSmallIntegerField(default=1)  # of the span, those with traffic
    patient = models.ForeignKey(Patient, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False)
    ward = models.ForeignKey(Ward, on_delete=models.CASCADE, related_name="+", db_index=False)
    messages = models.PositiveBigIntegerField()
    readings = models.PositiveBigIntegerField()
    payload_bytes = models.PositiveBigIntegerField()
    overhead_bytes = models.PositiveBigIntegerField()  # header and tag of the seal
    radio_j = models.FloatField()
    cpu_j = models.FloatField()
    security_j = models.FloatField()  # the part of radio_j + cpu_j that the seal is to blame for

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["device", "hop", "link", "span_s", "starts_at"], name="energy_once_per_span"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["patient", "starts_at"], name="energy_by_patient")]

    def __str__(self) -> str:
        return f"device {self.device_id} {self.hop} at {self.starts_at:%Y-%m-%d %H:%M}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.patient.policy_resource() if self.patient is not None else Resource(ward_id=self.ward_id)
