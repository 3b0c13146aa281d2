"""What proves readings beside the frames themselves: sessions of gateways, old keys, and roots over many frames."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from compliance.policy import Resource
from devices.models.registry import SUITE_CHOICES, Device, Gateway
from devices.protocol.hello import Transcript
from devices.protocol.suites import Suite


class GatewaySession(models.Model):
    """One connection of a gateway, with the signature by which it proved itself. Frames name it by its digest."""

    digest = models.BinaryField(max_length=32, unique=True)  # of the transcript; see devices.protocol.hello
    gateway = models.ForeignKey(Gateway, on_delete=models.PROTECT, related_name="sessions")
    public_key = models.BinaryField(max_length=32)  # Ed25519, raw; the gateway may have another one by now
    nonce = models.BinaryField(max_length=32)
    signature = models.BinaryField(max_length=64)
    said = models.BinaryField(default=b"")  # what a paired gateway signed, whole; empty for the older hello
    software = models.CharField(max_length=40, blank=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)  # stays empty when the server died before the gateway left

    class Meta:
        ordering: ClassVar = ["-opened_at"]
        indexes: ClassVar = [models.Index(fields=["gateway", "-opened_at"], name="session_by_gateway")]

    def __str__(self) -> str:
        return f"session of gateway {self.gateway_id} from {self.opened_at:%Y-%m-%d %H:%M:%S}"

    @property
    def transcript(self) -> Transcript:
        """The proof as it was given."""
        proof = bytes(self.nonce), bytes(self.signature), bytes(self.said)
        return Transcript(self.gateway_id, bytes(self.public_key), *proof)

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.gateway.policy_resource()


class FormerKey(models.Model):
    """The key of an epoch that is over: nothing new is accepted under it, but it still opens old frames as evidence."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="former_keys")
    epoch = models.PositiveIntegerField()
    key_sealed = models.BinaryField()  # as Device.key_sealed
    suite = models.PositiveSmallIntegerField(choices=SUITE_CHOICES, default=Suite.ASCON_AEAD128)
    ended_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["device", "epoch"], name="one_key_per_epoch")]

    def __str__(self) -> str:
        return f"key of device {self.device_id}, epoch {self.epoch}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.device.policy_resource()


class FrameSeal(models.Model):
    """A Merkle root over the frames of a few seconds, as it went into the log under the name of the store."""

    name = models.UUIDField(primary_key=True, editable=False)
    root = models.BinaryField(max_length=32)
    frames = models.PositiveIntegerField()
    first_received_at = models.DateTimeField()
    last_received_at = models.DateTimeField()
    sealed_at = models.DateTimeField(auto_now_add=True)
    entry_id = models.BigIntegerField(null=True, unique=True)  # in the log, which keeps no foreign keys either way

    class Meta:
        ordering: ClassVar = ["-sealed_at"]

    def __str__(self) -> str:
        return f"seal over {self.frames} frames"

    def policy_resource(self) -> Resource:
        """Return what the policy judges: a root over many patients' frames belongs to none of them."""
        return Resource()
