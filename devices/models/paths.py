"""Further gateways that hear a device, and how much each of its gateways has brought."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from devices.models.registry import SUITE_CHOICES, Device, Gateway

FIRST_NUMBER = 1 << 31  # on the wire; devices themselves are numbered from 1
PATH_EPOCH = 1  # of the key of a path to a gateway that was never paired: it has one for good


class DevicePath(models.Model):
    """One more gateway by which the readings of a device come, beside the one that it belongs to.

    On the wire a path is a device of its own: with a number, keys, counters and a replay window apart from the others.
    """

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="paths", db_index=False)
    gateway = models.ForeignKey(Gateway, on_delete=models.PROTECT, related_name="paths")
    lane = models.PositiveSmallIntegerField()  # in which its readings are numbered: devices.telemetry.lanes
    key_sealed = models.BinaryField()  # as a device's; a gateway that was paired derives its keys instead
    suite = models.PositiveSmallIntegerField(choices=SUITE_CHOICES)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["lane"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["device", "gateway"], name="path_once"),
            models.UniqueConstraint(fields=["device", "lane"], condition=Q(ended_at=None), name="path_lane_once"),
        ]

    def __str__(self) -> str:
        return f"device {self.device_id} by gateway {self.gateway_id}"

    @property
    def number(self) -> int:
        """The number on the wire."""
        return FIRST_NUMBER + self.pk


class PathTally(models.Model):
    """What one gateway brought of a shared device in one hour: readings that were new, and those told before."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="tallies", db_index=False)
    gateway = models.ForeignKey(Gateway, on_delete=models.CASCADE, related_name="+")
    hour = models.DateTimeField()
    first = models.PositiveIntegerField(default=0)
    repeated = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["device", "gateway", "hour"], name="tally_once"),
        ]

    def __str__(self) -> str:
        return f"device {self.device_id} by gateway {self.gateway_id}, {self.hour:%d %H:00}"
