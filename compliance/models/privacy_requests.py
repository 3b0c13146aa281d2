"""What patients asked about their record, and what the house answered."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import ClassVar

from django.db import models
from django.utils import timezone

from compliance.models.people import Patient, User
from compliance.policy import Resource
from compliance.privacy.purposes import How
from compliance.privacy.requests import ONE_AT_A_TIME, SOON, WAITING, RequestKind, RequestState


class PrivacyRequest(models.Model):
    """One request of one patient, of any kind. What a kind needs beside this has a row of its own that points here.

    `words` and `answer` are between the patient and the house: they go into no event, log or notice.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=12, choices=[(kind.value, kind.value) for kind in RequestKind])
    state = models.CharField(
        max_length=10, choices=[(state.value, state.value) for state in RequestState], default=RequestState.OPEN
    )
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="privacy_requests")
    asked_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    how = models.CharField(max_length=8, choices=[(how.value, how.value) for how in How])
    words = models.TextField(max_length=2000, blank=True)
    asked_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField()
    extended_because = models.CharField(max_length=240, blank=True)
    answer = models.TextField(max_length=2000, blank=True)  # what the patient reads
    decided_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    ward_id = models.BigIntegerField(null=True, blank=True)  # set when the record is closed: whose queue it stays in
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["due_at", "pk"]
        indexes: ClassVar = [models.Index(fields=["state", "due_at"], name="privacy_request_due")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["patient", "kind"],
                condition=models.Q(state__in=[state.value for state in WAITING])
                & models.Q(kind__in=[kind.value for kind in ONE_AT_A_TIME]),
                name="privacy_request_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} request {self.pk} ({self.state})"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.patient.policy_resource() if self.ward_id is None else Resource(ward_id=self.ward_id)

    @property
    def waits(self) -> bool:
        """Tell whether the house owes an answer or an act."""
        return self.state in WAITING

    def overdue(self, now: datetime) -> bool:
        """Tell whether the answer is late."""
        return self.waits and self.due_at < now

    def due_soon(self, now: datetime) -> bool:
        """Tell whether the answer is owed within a week."""
        return self.waits and self.due_at < now + SOON
