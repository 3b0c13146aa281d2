"""Keep what a patient decides about the use of the record. Decisions are added; none is ever changed."""

from __future__ import annotations

from datetime import date, datetime

from django.db import transaction

from compliance.errors import TextOutdated, UnknownPurpose
from compliance.models import Consent, EventCategory, Patient, User
from compliance.privacy.purposes import TERMS, TEXT_VERSION, How, Purpose
from compliance.services.events import record_event
from compliance.signals import consent_changed


@transaction.atomic
def decide_consent(
    *,
    patient: Patient,
    purpose: str,
    given: bool,
    user: User,
    how: How,
    text_version: str,
    now: datetime,
    signed_on: date | None = None,
    reference: str = "",
) -> Consent:
    """Record that the patient allows or refuses `purpose`; it holds at once. The same decision again changes nothing.

    Raises UnknownPurpose, and TextOutdated when another wording was read than the one that holds.
    """
    if purpose not in TERMS:
        raise UnknownPurpose
    if text_version != TEXT_VERSION:
        raise TextOutdated
    Patient.objects.select_for_update().get(pk=patient.pk)  # two at once: the later sees what the earlier decided
    newest = Consent.objects.filter(patient=patient, purpose=purpose).first()
    if newest is not None and (newest.given, newest.text_version, newest.reference) == (given, text_version, reference):
        return newest
    consent = Consent.objects.create(
        patient=patient, purpose=purpose, given=given, how=how, text_version=text_version, recorded_by=user,
        signed_on=signed_on, reference=reference.strip(), at=now,
    )  # fmt: skip
    record_event(
        category=EventCategory.SECURITY,
        code="consent_given" if given else "consent_withdrawn",
        message="A consent was given." if given else "A consent was withdrawn.",
        patient=patient,
        user=user,
        detail={"purpose": purpose, "how": how.value, "text": text_version},
    )
    consent_changed.send(sender=Consent, patient=patient, purpose=Purpose(purpose), given=given)
    return consent
