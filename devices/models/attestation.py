"""What gateways said that they run, and which of it a person approved."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from compliance.models import User
from compliance.policy import Resource
from devices.models.registry import Gateway


class GatewayMeasurement(models.Model):
    """One measurement that a gateway signed. Once any of a gateway's is approved, others keep it out."""

    gateway = models.ForeignKey(Gateway, on_delete=models.CASCADE, related_name="measurements")
    value = models.CharField(max_length=128, blank=True)  # hexadecimal: code, then configuration; empty: it showed none
    first_seen_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField()
    approved_at = models.DateTimeField(null=True, blank=True)
    approved_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        ordering: ClassVar = ["-seen_at", "-pk"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["gateway", "value"], name="one_row_per_measurement")]

    def __str__(self) -> str:
        return f"measurement of gateway {self.gateway_id}"

    @property
    def code(self) -> str:
        """The code's digest, short enough to compare by eye."""
        return self.value[:16]

    @property
    def configuration(self) -> str:
        """The configuration's digest, short enough to compare by eye."""
        return self.value[64:80]

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.gateway.policy_resource()
