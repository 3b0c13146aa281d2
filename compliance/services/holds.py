"""Legal holds: as long as one lies on a record, nothing of it is erased, asked for or over age."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from compliance.errors import AlreadyErased, ReasonNeeded, RequestSettled
from compliance.models import EventCategory, LegalHold, Patient, User
from compliance.services.events import record_event


@transaction.atomic
def place_hold(*, patient: Patient, by: User, reason: str, now: datetime) -> LegalHold:
    """Put a hold on a record. Raises ReasonNeeded, and AlreadyErased when there is nothing left to hold."""
    if not reason.strip():
        raise ReasonNeeded("Say why, such as the number of the case.")
    # The same lock as an erasure takes: whichever comes first, the other sees it.
    if Patient.objects.select_for_update().get(pk=patient.pk).erased_at is not None:
        raise AlreadyErased
    hold = LegalHold.objects.create(patient=patient, reason=reason.strip()[:240], placed_by=by, placed_at=now)
    _tell(hold, "legal_hold_placed", "A legal hold was put on a record.", by)
    return hold


@transaction.atomic
def lift_hold(*, hold: LegalHold, by: User, reason: str, now: datetime) -> LegalHold:
    """Lift a hold; what waited for it goes on. Raises ReasonNeeded, and RequestSettled for one lifted before."""
    if not reason.strip():
        raise ReasonNeeded("Say why it is not needed any more.")
    locked = LegalHold.objects.select_for_update(of=("self",)).select_related("patient").get(pk=hold.pk)
    if locked.lifted_at is not None:
        raise RequestSettled("Somebody lifted this hold before.")
    locked.lifted_at, locked.lifted_by, locked.lift_reason = now, by, reason.strip()[:240]
    locked.save(update_fields=["lifted_at", "lifted_by", "lift_reason"])
    _tell(locked, "legal_hold_lifted", "A legal hold was lifted.", by)
    return locked


def _tell(hold: LegalHold, code: str, message: str, by: User) -> None:
    record_event(
        category=EventCategory.SECURITY,
        code=code,
        message=message,
        patient=hold.patient,
        user=by,
        detail={"hold": hold.pk},
    )
