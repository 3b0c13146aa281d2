"""Whom the house's authority vouches for, which pairings wait, and under which secrets epochs of keys were derived."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from compliance.policy import Resource
from devices.models.registry import Device, Gateway


class Authority(models.Model):
    """The house's own certificate authority. Its key lies sealed; its certificate's fingerprint is what is pinned."""

    name = models.CharField(max_length=20, primary_key=True)
    certificate = models.BinaryField()  # DER
    key_sealed = models.BinaryField()  # Ed25519 seed, 32 bytes
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"authority {self.name}"


class CertificateState(models.TextChoices):
    """Whether a certificate counts. That its time is over is read from the time."""

    VALID = "valid"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"


class Certificate(models.Model):
    """A certificate that the authority issued: for a gateway, a device, or, with neither, for the server itself."""

    serial = models.CharField(max_length=40, unique=True)  # hexadecimal, lower case
    profile = models.CharField(max_length=16)
    gateway = models.ForeignKey(Gateway, on_delete=models.CASCADE, null=True, related_name="certificates")
    device = models.ForeignKey(Device, on_delete=models.CASCADE, null=True, related_name="certificates")
    content = models.BinaryField()  # DER
    key_sealed = models.BinaryField(null=True)  # the server's own alone: every other key stays where it was made
    state = models.CharField(max_length=12, choices=CertificateState.choices, default=CertificateState.VALID)
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering: ClassVar = ["-not_before", "-pk"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(gateway=None) | Q(device=None), name="certificate_of_one"),
        ]

    def __str__(self) -> str:
        return f"certificate {self.serial[:16]}"

    @property
    def standing(self) -> str:
        """One word for people: valid, expired, superseded or revoked."""
        over = self.state == CertificateState.VALID and self.not_after <= timezone.now()
        return "expired" if over else str(self.state)

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        owner = self.gateway or self.device
        return owner.policy_resource() if owner is not None else Resource()


class PairingState(models.TextChoices):
    """What became of a pairing code. That its time is over is read from the time."""

    WAITING = "waiting"
    PAIRED = "paired"
    DEAD = "dead"
    WITHDRAWN = "withdrawn"


class Pairing(models.Model):
    """A one-time code that was shown for a gateway or a device. Only a keyed hash of the code is here."""

    reference = models.BinaryField(max_length=8, unique=True)  # random, in the QR: names the pairing on the wire
    gateway = models.ForeignKey(Gateway, on_delete=models.CASCADE, null=True, related_name="pairings")
    device = models.ForeignKey(Device, on_delete=models.CASCADE, null=True, related_name="pairings")
    code_hash = models.BinaryField(max_length=32)
    state = models.CharField(max_length=12, choices=PairingState.choices, default=PairingState.WAITING)
    wrong = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    expires_at = models.DateTimeField()
    paired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-pk"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(gateway=None, device__isnull=False) | Q(gateway__isnull=False, device=None),
                name="pairing_of_one",
            ),
        ]

    def __str__(self) -> str:
        return f"pairing of {self.gateway or self.device}"

    def standing(self, now: datetime) -> str:
        """One word for people: waiting, expired, paired, dead or withdrawn."""
        over = self.state == PairingState.WAITING and self.expires_at <= now
        return "expired" if over else str(self.state)

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        owner = self.gateway or self.device
        return owner.policy_resource() if owner is not None else Resource()


class PairingRun(models.Model):
    """One run of the handshake under a code: what the server keeps between M2 and M3, and M4 for who asks again."""

    pairing = models.ForeignKey(Pairing, on_delete=models.CASCADE, related_name="runs")
    answered_sealed = models.BinaryField(null=True)  # 64 bytes, sealed for the pairing's reference; gone once used
    began_at = models.DateTimeField(default=timezone.now)
    proof_hash = models.BinaryField(max_length=32, null=True)  # SHA-256 of the M3 that paired
    outcome = models.BinaryField(null=True)  # M4

    def __str__(self) -> str:
        return f"run of {self.pairing_id}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.pairing.policy_resource()


class KeyEpoch(models.Model):
    """The secret from which the frame keys of a gateway's devices were derived between two handshakes.

    Nothing new is accepted under an epoch that ended; its secret still opens old frames as evidence, as long as they
    are kept.
    """

    gateway = models.ForeignKey(Gateway, on_delete=models.CASCADE, related_name="epochs")
    number = models.PositiveBigIntegerField()
    secret_sealed = models.BinaryField()
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["gateway", "number"], name="one_secret_per_epoch"),
        ]

    def __str__(self) -> str:
        return f"epoch {self.number} of gateway {self.gateway_id}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.gateway.policy_resource()


class FormerRoot(models.Model):
    """The root key that a device had before it was paired again or moved: old frames open with it as evidence."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="former_roots")
    # On which it had that root; null for rows of before devices could be moved.
    gateway = models.ForeignKey(Gateway, on_delete=models.CASCADE, null=True, related_name="+")
    root_sealed = models.BinaryField(null=True)  # null: until then its keys came from its gateway's root alone
    ended_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["ended_at"]

    def __str__(self) -> str:
        return f"former root of device {self.device_id}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.device.policy_resource()
