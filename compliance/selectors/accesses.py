"""Reads of who looked at a record."""

from __future__ import annotations

from django.db.models import QuerySet

from compliance.models import AccessRecord, Patient
from compliance.privacy.purposes import AccessPurpose


def disclosures_of(patient: Patient) -> QuerySet[AccessRecord]:
    """Return every look at the patient's record, newest first, without the patient's own."""
    looks = AccessRecord.objects.filter(patient=patient).select_related("user")
    return looks.exclude(purpose=AccessPurpose.OWN)
