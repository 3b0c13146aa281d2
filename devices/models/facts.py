"""What gateways did on their own, as they told it: each beside the sealed frame that brought it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from compliance.models import Patient
from compliance.policy import Resource
from devices.models.registry import Device, Gateway


class EdgeFact(models.Model):
    """One act, alarm or end of an alarm at a gateway, about one device and whoever wore it then.

    seq is its number among the facts that its gateway told of the device: a fact that comes twice is kept once.
    gateway: which of them told; none for facts of before that was noted.
    """

    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="facts")
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, null=True, related_name="edge_facts")
    gateway = models.ForeignKey(Gateway, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    lane = models.PositiveSmallIntegerField(default=0)  # by which path it came: devices.telemetry.lanes
    seq = models.BigIntegerField()
    at = models.DateTimeField()  # by the gateway's clock
    received_at = models.DateTimeField()
    kind = models.CharField(max_length=16)  # devices.protocol.facts.FactKind
    rule = models.CharField(max_length=40)
    alarm = models.PositiveIntegerField()  # the gateway's number of what it belongs to
    seen = models.CharField(max_length=400)
    done = models.CharField(max_length=400)
    cut_off = models.BooleanField()  # the server could not be reached then
    values = models.JSONField(default=dict)  # the numbers in the sentences
    texts = models.JSONField(default=dict)  # what a device says of itself
    frame = models.BinaryField()  # sealed, as it came
    session = models.BinaryField(max_length=32)  # digest of the session that brought it

    class Meta:
        ordering: ClassVar = ["-at", "-pk"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["device", "lane", "seq"], name="one_fact_per_number")]
        indexes: ClassVar = [
            models.Index(fields=["device", "-at"], name="fact_by_device"),
            models.Index(fields=["device", "kind", "-received_at", "-id"], name="fact_as_it_came"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} by {self.rule} on device {self.device_id}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges: whom it is about, or the device when nobody wore it."""
        return self.patient.policy_resource() if self.patient is not None else self.device.policy_resource()
