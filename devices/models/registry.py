"""The registry: which gateway hangs where, which device belongs to whom, under which sealed key."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from django.db import models

from compliance.models import Patient, Ward
from compliance.models.moments import ChangedAtField
from compliance.policy import Resource
from devices.protocol.suites import SUITES, Suite

SUITE_CHOICES = [(suite.value, facts.label) for suite, facts in SUITES.items()]


class GatewayState(models.TextChoices):
    """Whether a gateway may connect."""

    ACTIVE = "active"
    QUARANTINED = "quarantined"
    RETIRED = "retired"


class Gateway(models.Model):
    """A small computer near the patient that speaks for devices. It proves itself with an Ed25519 key."""

    name = models.CharField(max_length=80, unique=True)
    ward = models.ForeignKey(Ward, on_delete=models.PROTECT, related_name="gateways")
    public_key = models.BinaryField(max_length=32, default=b"")  # Ed25519, raw; empty until it is paired
    root_sealed = models.BinaryField(null=True, blank=True)  # 32 bytes, from its pairing; None: it was never paired
    epoch = models.PositiveBigIntegerField(default=0)  # of the keys that its devices seal under, once it is paired
    # Rises with each change of what is wished of its devices; the welcome brings it (devices.selectors.settings).
    settings_number = models.PositiveBigIntegerField(default=0)
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
    suite = models.PositiveSmallIntegerField(choices=SUITE_CHOICES, default=Suite.ASCON_AEAD128)  # and of other ciphers
    # From a pairing of its own; None: its keys come from the root of its gateway, or it has the one above.
    root_sealed = models.BinaryField(null=True, blank=True)
    state = models.CharField(max_length=16, choices=DeviceState.choices, default=DeviceState.ACTIVE)
    link = models.CharField(max_length=16, default="ble")  # radio towards the gateway: ble, 802.15.4, wifi, wired
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = ChangedAtField(editable=False)  # its state, or who wears it
    device_state_field: ClassVar = "state"  # where lists find what the policy judges

    class Meta:
        ordering: ClassVar = ["label"]

    def __str__(self) -> str:
        return f"{self.kind} {self.serial}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges: the patient's place, or the gateway's while nobody wears the device."""
        place = self.patient.policy_resource() if self.patient is not None else self.gateway.policy_resource()
        return replace(place, device_state=self.state)
