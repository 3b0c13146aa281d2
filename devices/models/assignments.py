"""Who wore which device when. `Device.patient` says who wears it now; this says whose each reading is."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from compliance.models import Patient
from devices.models.registry import Device


class DeviceAssignment(models.Model):
    """One span of time in which a device carried one patient's signals: from `starts_at`, up to but not at `ends_at`.

    Written by triggers with every change of `Device.patient`, whoever makes it, and by no page; spans of a device never
    overlap (devices/services/assignment_triggers.py).
    """

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="assignments")
    # None: that person's record is gone. Its span stays, so that the readings in it become nobody else's.
    patient = models.ForeignKey(Patient, on_delete=models.SET_NULL, null=True, related_name="device_assignments")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["device", "starts_at"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(ends_at__gte=F("starts_at")), name="assignment_ends_after_its_start"),
            models.UniqueConstraint(
                fields=["device"], condition=Q(ends_at__isnull=True), name="one_open_assignment_per_device"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["device", "starts_at"], name="assignment_by_device"),
            models.Index(fields=["patient", "starts_at"], name="assignment_by_patient"),
        ]

    def __str__(self) -> str:
        return f"assignment {self.pk} of device {self.device_id}"
