"""Correct a record when its patient asks: take the question, change what can be changed, mark what cannot."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from compliance.errors import NotFound, OwnRequest, ReasonNeeded, RequestSettled
from compliance.models import EventCategory, Patient, PrivacyRequest, User
from compliance.models.corrections import Correction
from compliance.privacy.corrections import COLUMNS, DISPUTED, CorrectionPart, Outcome, column_value
from compliance.privacy.purposes import How
from compliance.privacy.requests import RequestKind, RequestState
from compliance.services.events import record_event
from compliance.services.patients import check_patient
from compliance.services.privacy_requests import MOST_WORDS, ask, close, decide

CHANGED = "Your record is corrected."
MARKED = "What was measured stays as it is, because it is evidence. It is now marked as disputed by you."


@transaction.atomic
def ask_correction(
    *, patient: Patient, part: CorrectionPart, stands: str, right: str, user: User, how: How, now: datetime
) -> Correction:
    """Take what is wrong, what stands there and what is right. Raises PatientInvalid for what cannot be true."""
    if part in COLUMNS:
        _try(patient, part, right)
    request = ask(patient=patient, kind=RequestKind.CORRECTION, user=user, how=how, words="", now=now)
    correction = Correction(request=request, patient=patient, part=part, asked_at=now)
    correction.seal("stands", stands[:MOST_WORDS])
    correction.seal("right", right[:MOST_WORDS])
    correction.save(force_insert=True)
    return correction


@transaction.atomic
def accept_correction(*, request: PrivacyRequest, by: User, answer: str, now: datetime) -> PrivacyRequest:
    """Accept it, and carry it out in the same transaction where the house can; otherwise it waits to be closed by hand.

    Raises OwnRequest, RequestSettled, and PatientInvalid when the record cannot hold the value.
    """
    if by.own_patient_id == request.patient_id:
        raise OwnRequest
    granted = decide(request=request, by=by, granted=True, answer=answer, now=now)
    correction = Correction.objects.select_related("patient").get(request=granted)
    part = CorrectionPart(correction.part)
    if part in COLUMNS:
        _change(correction, part, now)
        _tell(correction, "record_corrected", "A part of a record was corrected, as its patient asked.", by)
        return close(request=granted, by=by, now=now, answer=answer.strip() or CHANGED)
    if part in DISPUTED:
        correction.outcome = Outcome.DISPUTED
        correction.save(update_fields=["outcome"])
        _tell(correction, "record_disputed", "A part of a record was marked as disputed by its patient.", by)
        return close(request=granted, by=by, now=now, answer=answer.strip() or MARKED)
    return granted


def refuse_correction(*, request: PrivacyRequest, by: User, answer: str, now: datetime) -> PrivacyRequest:
    """Refuse it with a reason that the patient reads. Raises OwnRequest, RequestSettled, ReasonNeeded."""
    if by.own_patient_id == request.patient_id:
        raise OwnRequest
    return decide(request=request, by=by, granted=False, answer=answer, now=now)


@transaction.atomic
def disagree(*, request: PrivacyRequest, user: User, words: str, now: datetime) -> Correction:
    """Keep the patient's statement to a refusal, once; it is shown with the record (45 CFR 164.526(d)(2)).

    Raises NotFound for another's, ReasonNeeded without words, RequestSettled where there is nothing to disagree with.
    """
    if user.own_patient_id != request.patient_id:
        raise NotFound
    correction = Correction.objects.select_for_update(of=("self",)).select_related("patient").get(request=request)
    if PrivacyRequest.objects.get(pk=request.pk).state != RequestState.REFUSED:
        raise RequestSettled("Nobody refused this. You can add a statement when somebody does.")
    if correction.disagreed_at is not None:
        raise RequestSettled("Your statement stands with your record already. It stays as you wrote it.")
    if not words.strip():
        raise ReasonNeeded("Write what you do not agree with.")
    correction.seal("disagreement", words[:MOST_WORDS])
    correction.disagreed_at = now
    correction.save(update_fields=["disagreement", "disagreed_at"])
    _tell(correction, "disagreement_stated", "A patient disagrees with a refused correction.", user)
    return correction


def _try(patient: Patient, part: CorrectionPart, right: str) -> None:
    """Judge the value on a row of its own, which nobody saves."""
    tried = Patient.objects.get(pk=patient.pk)
    setattr(tried, part.value, column_value(part, right))
    check_patient(tried)


def _change(correction: Correction, part: CorrectionPart, now: datetime) -> None:
    patient = Patient.objects.select_for_update().get(pk=correction.patient_id)
    former = getattr(patient, part.value)
    correction.seal("former", "" if former is None else str(former))
    setattr(patient, part.value, column_value(part, correction.right_text))
    check_patient(patient)
    patient.changed_at, patient.edition = now, patient.edition + 1
    patient.save(update_fields=[part.value, "changed_at", "edition"])
    correction.outcome = Outcome.CHANGED
    correction.save(update_fields=["former", "outcome"])


def _tell(correction: Correction, code: str, message: str, by: User) -> None:
    record_event(
        category=EventCategory.CLINICAL,
        code=code,
        message=message,
        patient=correction.patient,
        ward_id=correction.patient.ward_id,
        user=by,
        detail={"field": correction.part, "request": str(correction.request_id)},  # never what stood or stands there
    )
