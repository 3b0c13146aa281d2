"""What patients decided about their record, and who looked at it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from compliance.models.people import Patient, User
from compliance.policy import Resource
from compliance.privacy.purposes import AccessPurpose, How, Purpose


class Consent(models.Model):
    """One decision of a patient about one purpose. Rows are added and never changed: the newest counts."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="consents")
    purpose = models.CharField(max_length=16, choices=[(purpose.value, purpose.value) for purpose in Purpose])
    given = models.BooleanField()
    how = models.CharField(max_length=8, choices=[(how.value, how.value) for how in How])
    text_version = models.CharField(max_length=16)
    recorded_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    signed_on = models.DateField(null=True, blank=True)  # of paper
    reference = models.CharField(max_length=80, blank=True)  # where the paper is
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["patient", "purpose", "-id"], name="consent_newest")]

    def __str__(self) -> str:
        return f"{self.purpose} {'given' if self.given else 'refused'} by patient {self.patient_id}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.patient.policy_resource()


class AccessRecord(models.Model):
    """Somebody looked at a part of a record, at `at` or within the five minutes after it."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="access_records")
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    role = models.CharField(max_length=16)  # as it was then
    what = models.CharField(max_length=32)
    purpose = models.CharField(max_length=16, choices=[(purpose.value, purpose.value) for purpose in AccessPurpose])
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-at"]
        indexes: ClassVar = [
            models.Index(fields=["patient", "-at"], name="access_by_patient"),
            models.Index(fields=["user", "patient", "-at"], name="access_by_user"),
            models.Index(fields=["user", "what", "-at"], name="access_by_part"),  # asked at every refresh of a list
        ]

    def __str__(self) -> str:
        return f"user {self.user_id} looked at {self.what} of patient {self.patient_id}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.patient.policy_resource()
