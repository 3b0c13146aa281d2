"""Who is told of changes, where, and what still waits to be told. Notices hold references, never content: what goes
out is read anew when it goes, under the rights of that moment."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils import timezone

from compliance.models.moments import ChangedAtField
from compliance.models.people import Patient, User
from compliance.models.tokens import ApiToken, FhirClient


class SubscriptionState(models.TextChoices):
    """http://hl7.org/fhir/subscription-status"""

    REQUESTED = "requested", "asked for"
    ACTIVE = "active", "active"
    ERROR = "error", "not reached"
    OFF = "off", "off"


class Payload(models.TextChoices):
    """How much a notification says."""

    EMPTY = "empty", "nothing but that there is something"
    ID_ONLY = "id-only", "which resource"
    FULL = "full-resource", "the whole resource"


class Subscription(models.Model):
    """One subscription. It acts as its owner, with the scopes of the token that made it, and ends with either.

    token: the personal token that made it; client: the backend service whose token did. collected_to: up to which
    moment changes became notices. headers_sealed: secrets for the receiver (compliance.secretbox, "fhir-hook").
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    token = models.ForeignKey(ApiToken, on_delete=models.SET_NULL, null=True, related_name="+")
    client = models.ForeignKey(FhirClient, on_delete=models.CASCADE, null=True, related_name="+")
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, null=True, related_name="+")  # that the token names
    scopes = models.CharField(max_length=1000)
    base = models.CharField(max_length=200)  # the API's own address, for links in what is sent
    type = models.CharField(max_length=40)  # resource type of the criteria
    criteria = models.CharField(max_length=1000)
    reason = models.CharField(max_length=240)
    endpoint = models.CharField(max_length=500)
    payload = models.CharField(max_length=16, choices=Payload.choices, default=Payload.EMPTY)
    headers_sealed = models.BinaryField(default=bytes)
    state = models.CharField(max_length=10, choices=SubscriptionState.choices, default=SubscriptionState.REQUESTED)
    error = models.CharField(max_length=240, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = ChangedAtField()
    starts_at = models.DateTimeField(default=timezone.now)  # nothing from before is told
    collected_to = models.DateTimeField(default=timezone.now)
    # One worker holds a subscription at a time; a lease that runs out is taken over by the next one.
    lease = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0)  # in a row
    failing_since = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [models.Index(fields=["owner", "-created_at"], name="subscription_by_owner")]

    def __str__(self) -> str:
        return f"subscription {self.pk}"


class SubscriptionNoticeState(models.TextChoices):
    """Where a notice stands."""

    WAITING = "waiting", "waiting"
    SENT = "sent", "taken"
    PARKED = "parked", "given up"


class SubscriptionNotice(models.Model):
    """One notification of the outbox: that a version of a resource matched."""

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="notices", db_index=False)
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, null=True, related_name="+")
    fhir_id = models.CharField(max_length=64)
    version = models.CharField(max_length=64)
    resource_at = models.DateTimeField()  # when the resource changed
    state = models.CharField(
        max_length=8, choices=SubscriptionNoticeState.choices, default=SubscriptionNoticeState.WAITING
    )
    made_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveIntegerField(default=0)
    settled_at = models.DateTimeField(null=True, blank=True)
    answer = models.PositiveSmallIntegerField(null=True, blank=True)  # HTTP status
    reason = models.CharField(max_length=240, blank=True)

    class Meta:
        ordering: ClassVar = ["pk"]
        indexes: ClassVar = [models.Index(fields=["subscription", "state", "id"], name="subscription_notice_order")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["subscription", "fhir_id", "version"], name="subscription_notice_once")
        ]

    def __str__(self) -> str:
        return f"notice {self.pk} of subscription {self.subscription_id} ({self.state})"
