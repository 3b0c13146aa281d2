"""Note who looked at a record: the accounting of disclosures. Called by whatever shows a part of one.

What counts as an access stands in `compliance.privacy.parts`; the two functions here are its only writers.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.utils import timezone

from compliance.models import AccessRecord, EmergencyAccess, Event, EventCategory, Patient, User
from compliance.policy import Role
from compliance.privacy.parts import OPENED, REFRESHED, part_of
from compliance.privacy.purposes import AccessPurpose, Basis
from compliance.selectors.people import subject_of
from compliance.services.events import record_event, record_events

FOLD_WITHIN = OPENED
HOUSE = "house"  # stands where a role does, when nobody in particular did it
_PURPOSE_OF_ROLE = {
    Role.NURSE: AccessPurpose.TREATMENT,
    Role.PHYSICIAN: AccessPurpose.TREATMENT,
    Role.CAREGIVER: AccessPurpose.CARE_FAMILY,
    Role.ADMINISTRATOR: AccessPurpose.OPERATIONS,
    Role.TRAINER: AccessPurpose.TRAINING,
    Role.PATIENT: AccessPurpose.OWN,
}


def record_access(
    *,
    user: User | AnonymousUser | None,
    patient: Patient | None,
    what: str,
    purpose: AccessPurpose | None = None,
    refreshing: bool = False,
) -> AccessRecord | None:
    """Note that `user` looked at `what` (a code of `compliance.privacy.parts`) of `patient` now.

    The same person, part and purpose within five minutes is one row; with `refreshing`, for what a page fetches again
    by itself, within the hour. Two requests at the same instant may leave two: an account that says too much is better
    than a lock on every page. Without `purpose`, an open emergency access says why, or else the role. None as `user`
    is the house's own work, which needs a `purpose`. A thing that belongs to no patient is noted for nobody: None.
    """
    if patient is None:
        return None
    now, why = timezone.now(), purpose
    if why is None or user is not None:
        assert isinstance(user, User), "nobody sees a record without signing in"  # noqa: S101
        why = why or purpose_for(user, patient)
    fold_within = max(part_of(what).fold_within, REFRESHED if refreshing else timedelta())
    seen = AccessRecord.objects.filter(
        user=user, patient=patient, what=what, purpose=why, at__gt=now - fold_within
    ).first()
    return seen or _note(user, patient, what, why)


def record_list_access(
    *, user: User | AnonymousUser, patients: Iterable[UUID | None], what: str, purpose: AccessPurpose | None = None
) -> int:
    """Note that `user` saw a list on which these people stand; return how many were new to them within the hour.

    One row for each person and one event for each ward and basis, which names those of the ward alone: whoever may
    read the ward's events reads about nobody else's patients. Looking again within the hour costs one query.
    """
    assert isinstance(user, User), "nobody sees a list without signing in"  # noqa: S101
    named = {pk for pk in patients if pk is not None}
    if not named:
        return 0
    now = timezone.now()
    recent = AccessRecord.objects.filter(user=user, what=what, at__gt=now - part_of(what).fold_within)
    new = named.difference(recent.order_by().values_list("patient_id", flat=True))
    if new:
        _note_list(user, new, what, purpose, now)
    return len(new)


def purpose_of(user: User) -> AccessPurpose:
    """Return what the role looks at records for."""
    return _PURPOSE_OF_ROLE.get(Role(user.role), AccessPurpose.OTHER)


def purpose_for(user: User, patient: Patient) -> AccessPurpose:
    """Return why `user` looks at this record: in an emergency while they hold it open for one, else by their role."""
    held = EmergencyAccess.objects.filter(user=user, patient=patient, ends_at__gt=timezone.now())
    return AccessPurpose.EMERGENCY if held.exists() else purpose_of(user)


def basis_of(user: User | None, patient_id: UUID, ward_id: int | None) -> Basis:
    """Return the strongest tie of `user` to the patient now; None as `user` is the house itself."""
    if user is None:
        return Basis.HOUSE
    subject = subject_of(user)
    if patient_id in subject.own:
        return Basis.OWN
    if patient_id in subject.patient_ids:
        return Basis.NAME
    if ward_id in subject.ward_ids:
        return Basis.WARD
    return Basis.BREAK_GLASS if patient_id in subject.opened else Basis.NONE


@transaction.atomic
def _note(user: User | None, patient: Patient, what: str, purpose: AccessPurpose) -> AccessRecord:
    record_event(
        category=EventCategory.SECURITY,
        code="record_viewed",
        message="A record was looked at.",
        patient=patient,
        user=user,
        detail={
            "what": what,
            "purpose": purpose.value,
            "basis": basis_of(user, patient.pk, patient.ward_id).value,
        },
    )
    role = user.role if user is not None else HOUSE
    return AccessRecord.objects.create(
        user=user, patient=patient, role=role, what=what, purpose=purpose, at=timezone.now()
    )


@transaction.atomic
def _note_list(user: User, new: set[UUID], what: str, purpose: AccessPurpose | None, now: datetime) -> None:
    why = purpose or purpose_of(user)
    in_wards: dict[tuple[int, Basis, UUID | None], list[UUID]] = {}
    for pk, ward_id in Patient.objects.filter(pk__in=new).order_by("pk").values_list("pk", "ward_id"):
        basis = basis_of(user, pk, ward_id)
        alone = pk if basis in {Basis.BREAK_GLASS, Basis.NONE} else None  # an event of its own: rules join by patient
        in_wards.setdefault((ward_id, basis, alone), []).append(pk)
    AccessRecord.objects.bulk_create(
        AccessRecord(user=user, patient_id=pk, role=user.role, what=what, purpose=why, at=now)
        for named in in_wards.values()
        for pk in named
    )
    record_events(
        [
            Event(
                category=EventCategory.SECURITY,
                code="records_listed",
                message="A list that names patients was looked at.",
                ward_id=ward_id,
                patient_id=alone,
                user=user,
                at=now,
                detail={
                    "what": what,
                    "purpose": why.value,
                    "basis": basis.value,
                    "patients": [str(pk) for pk in named],
                },
            )
            for (ward_id, basis, alone), named in in_wards.items()
        ]
    )
