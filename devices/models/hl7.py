"""Where observations go as HL7 v2 messages, how far each device was reported there, and the messages that wait."""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from compliance.models import Patient, User, Ward
from devices.models.registry import Device
from devices.telemetry.lanes import stream


class ResultStatus(models.TextChoices):
    """OBX-11: whether the receiver may take a value as it is."""

    FINAL = "F", "final"
    PRELIMINARY = "P", "preliminary, until a person there has validated it"


class HL7Destination(models.Model):
    """One receiver: where it listens, whose certificate it must show, and what it is told of whom."""

    name = models.CharField(max_length=80, unique=True)
    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField(default=2575, validators=[MinValueValidator(1), MaxValueValidator(65535)])
    authority = models.TextField(max_length=32_000)  # PEM; the receiver's certificate must come from it
    client_certificate = models.CharField(max_length=80, blank=True)  # name of a pair of files in HL7_CERTIFICATES_DIR
    facility = models.CharField(max_length=40, blank=True)  # MSH-4
    wards = models.ManyToManyField(Ward, related_name="+")
    metrics = models.JSONField(default=list)  # keys of measurements
    period_s = models.PositiveIntegerField(default=60, validators=[MinValueValidator(1), MaxValueValidator(3600)])
    result_status = models.CharField(max_length=1, choices=ResultStatus.choices, default=ResultStatus.FINAL)
    shares_outside = models.BooleanField(default=True)  # not of this house: each patient's consent to sharing is asked
    enabled = models.BooleanField(default=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    collected_at = models.DateTimeField(null=True, blank=True)
    # One sender holds a destination at a time; a lease that runs out is taken over by the next one.
    lease = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    acked_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0)  # in a row
    retry_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=240, blank=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return f"HL7 destination {self.pk}"


class HL7Cursor(models.Model):
    """Up to which sequence number a device's readings became messages for a destination, by each gateway's numbers.

    `patient` and `starts_at` hold a device that changes hands to what it measured on this person since then.
    """

    destination = models.ForeignKey(HL7Destination, on_delete=models.CASCADE, related_name="cursors", db_index=False)
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="+")
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="+")
    lane = models.PositiveSmallIntegerField(default=0)  # devices.telemetry.lanes
    seq = models.BigIntegerField()
    starts_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["destination", "device", "lane"], name="hl7_cursor_once"),
        ]

    def __str__(self) -> str:
        return f"device {self.device_id} up to {self.seq}"

    @property
    def stream(self) -> int:
        """The device by one of its gateways."""
        return stream(self.device_id, self.lane)


class MessageState(models.TextChoices):
    """Where a message stands."""

    WAITING = "waiting", "waiting"
    ACCEPTED = "accepted", "accepted"
    PARKED = "parked", "refused"


class HL7Message(models.Model):
    """One message of the outbox. The control id (MSH-10) never changes, so that the receiver knows a repetition.

    The content is sealed (compliance.secretbox, purpose "hl7-outbox") and dropped when nothing more is to be sent.
    """

    destination = models.ForeignKey(HL7Destination, on_delete=models.CASCADE, related_name="messages")
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="+")
    control_id = models.CharField(max_length=20, unique=True)
    state = models.CharField(max_length=8, choices=MessageState.choices, default=MessageState.WAITING)
    content_sealed = models.BinaryField()
    observations = models.PositiveIntegerField()
    made_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveIntegerField(default=0)
    answered_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(max_length=2, blank=True)  # MSA-1
    reason = models.CharField(max_length=240, blank=True)

    class Meta:
        ordering: ClassVar = ["pk"]
        indexes: ClassVar = [models.Index(fields=["destination", "state", "id"], name="hl7_message_in_order")]

    def __str__(self) -> str:
        return f"HL7 message {self.control_id} ({self.state})"
