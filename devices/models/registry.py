"""The registry: which gateway hangs where, which device belongs to whom, under which sealed key."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from compliance.models import Patient, Ward
from compliance.policy import Resource


class GatewayState(models.TextChoices):
    """Whether a gateway may connect."""

    ACTIVE = "active"
    QUARANTINED = "quarantined"
    RETIRED = "retired"


class Gateway(models.Model):
    """A small computer near the patient that speaks for devices. It proves itself with an Ed25519 key."""

    name = models.CharField(max_length=80, unique=True)
    ward = models.ForeignKey(Ward, on_delete=models.PROTECT, related_name="gateways")
    public_key = models.BinaryField(max_length=32)  # Ed25519, raw
    state = models.CharField(max_length=16, choices=GatewayState.choices, default=GatewayState.ACTIVE)
    link = models.CharField(max_length=16, default="wifi")  # radio towards the server: wifi, ethernet, lte-m
    connected_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    software = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return Resource(ward_id=self.ward_id)


class DeviceState(models.TextChoices):
    """Whether a device's frames are accepted."""

    ACTIVE = "active"
    QUARANTINED = "quarantined"
    RETIRED = "retired"


class Device(models.Model):
    """One medical device. Its primary key is the 32-bit device id on the wire."""

    serial = models.CharField(max_length=40, unique=True)
    kind = models.CharField(max_length=32)  # a folder in devices/kinds
    label = models.CharField(max_length=80)
    gateway = models.ForeignKey(Gateway, on_delete=models.PROTECT, related_name="devices")
    patient = models.ForeignKey(Patient, on_delete=models.SET_NULL, null=True, blank=True, related_name="devices")
    key_sealed = models.BinaryField()  # the 16-byte frame key, sealed by compliance.secretbox for purpose "device-key"
    epoch = models.PositiveIntegerField(default=1)  # frames of other epochs are refused
    state = models.CharField(max_length=16, choices=DeviceState.choices, default=DeviceState.ACTIVE)
    link = models.CharField(max_length=16, default="ble")  # radio towards the gateway: ble, 802.15.4, wifi, wired
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["label"]

    def __str__(self) -> str:
        return f"{self.kind} {self.serial}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return Resource(patient_id=self.patient_id, ward_id=self.gateway.ward_id)
