"""Reads of consent. The newest decision counts; before the first one, the house's default does."""

from __future__ import annotations

from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery

from compliance.models import Consent, Patient
from compliance.privacy.purposes import TERMS, Purpose


def consent_allows(patient_id: UUID, purpose: str) -> bool:
    """Tell whether the patient's record may be used for `purpose` now. Raises ValueError for an unknown purpose."""
    wanted = Purpose(purpose)
    given = Consent.objects.filter(patient_id=patient_id, purpose=wanted).values_list("given", flat=True).first()
    return TERMS[wanted].default if given is None else given


def refusing_patients(purpose: str) -> QuerySet[Patient, UUID]:
    """Return the ids of the patients whose record may not be used for `purpose` now.

    A queryset, for `exclude(patient_id__in=...)`. Raises ValueError for an unknown purpose.
    """
    wanted = Purpose(purpose)
    newest = Consent.objects.filter(patient=OuterRef("pk"), purpose=wanted).order_by("-id").values("given")[:1]
    refused = Q(decision=False) if TERMS[wanted].default else Q(decision=False) | Q(decision=None)
    deciding = Patient.objects.order_by().annotate(decision=Subquery(newest))
    return deciding.filter(refused).values_list("pk", flat=True)


def consent_history(patient: Patient) -> QuerySet[Consent]:
    """Return every decision of the patient, newest first."""
    return Consent.objects.filter(patient=patient).select_related("recorded_by")


def decisions_of(patient: Patient) -> dict[Purpose, Consent | None]:
    """Return the newest decision for each purpose, None where the default holds."""
    newest: dict[Purpose, Consent | None] = dict.fromkeys(TERMS)
    for consent in reversed(consent_history(patient)):
        newest[Purpose(consent.purpose)] = consent
    return newest
