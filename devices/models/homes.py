"""To which gateway a device belongs, and to which it did before: each numbers its readings in a lane of its own."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from devices.models.registry import Device, Gateway


class DeviceHome(models.Model):
    """One gateway that a device belongs or belonged to. A device that was never moved has none: its lane is 0.

    A gateway to which a device comes back goes on in the lane that it left, and under the root that it has.
    """

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="homes", db_index=False)
    gateway = models.ForeignKey(Gateway, on_delete=models.PROTECT, related_name="+")
    lane = models.PositiveSmallIntegerField()  # in which its readings are numbered: devices.telemetry.lanes
    # Of the device, while it is elsewhere; null: it had none of its own there.
    root_sealed = models.BinaryField(null=True)
    began_at = models.DateTimeField(null=True)  # null: since it was registered
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-began_at", "-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["device", "gateway"], name="home_once"),
            models.UniqueConstraint(fields=["device"], condition=Q(ended_at=None), name="one_home_now"),
        ]

    def __str__(self) -> str:
        return f"device {self.device_id} on gateway {self.gateway_id}"
