"""The transparency log as stored: entries in the order of their acts, the tree over their commitments, its heads.

Nothing here has a foreign key: an entry outlives what it speaks of.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from compliance.policy import Resource


class LogEntry(models.Model):
    """One fact, committed to. Written in the transaction of its act; the sequencer gives it its place in the tree.

    commitment = SHA-256(salt || record) is what the tree holds. Without salt and record, which go when a person is
    erased, it tells nothing.
    """

    kind = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now)
    patient_id = models.UUIDField(null=True, blank=True)
    ward_id = models.BigIntegerField(null=True, blank=True)
    event_id = models.BigIntegerField(null=True, blank=True, unique=True)  # the event that it commits to
    salt = models.BinaryField(max_length=32, null=True)
    record = models.TextField(null=True)  # canonical JSON (RFC 8785)
    commitment = models.BinaryField(max_length=32)
    leaf_index = models.BigIntegerField(null=True, blank=True, unique=True)  # None until it is sequenced

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["patient_id", "-id"], name="log_by_patient"),
            models.Index(fields=["ward_id", "-id"], name="log_by_ward"),
            models.Index(fields=["id"], name="log_erasures", condition=models.Q(kind="erasure")),
            models.Index(fields=["id"], name="log_unsequenced", condition=models.Q(leaf_index__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.leaf_index if self.leaf_index is not None else 'not yet sequenced'}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return Resource(patient_id=self.patient_id, ward_id=self.ward_id)

    @property
    def erased(self) -> bool:
        """Tell whether only the commitment is left."""
        return self.record is None


class LogTile(models.Model):
    """Up to 256 hashes of one level of the tree, 8 levels apart (C2SP tlog-tiles); a full one never changes."""

    level = models.PositiveSmallIntegerField()
    number = models.BigIntegerField()
    hashes = models.BinaryField(max_length=8192)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["level", "number"], name="log_tile_once")]

    def __str__(self) -> str:
        return f"tile {self.level}/{self.number}"


class LogCheckpoint(models.Model):
    """A signed tree head, and what witnesses put under it."""

    size = models.BigIntegerField(unique=True)
    root = models.BinaryField(max_length=32)
    note = models.TextField()  # C2SP signed note: the log's own signature, then cosignatures as they come
    witnesses = models.PositiveSmallIntegerField(default=0)  # whose cosignatures hold
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-size"]

    def __str__(self) -> str:
        return f"checkpoint of {self.size}"


class Witness(models.Model):
    """What is known of a witness: when it last signed, and whether it refuses."""

    name = models.CharField(max_length=120, unique=True)
    key = models.CharField(max_length=240)  # as C2SP writes verifier keys
    signed_size = models.BigIntegerField(default=0)
    signed_at = models.DateTimeField(null=True, blank=True)
    trouble = models.CharField(max_length=240, blank=True)  # why the last attempt failed

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name
