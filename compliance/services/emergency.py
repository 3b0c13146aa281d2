"""Break-glass: open the record of a patient outside one's care relationship in an emergency, and answer for it.

The explanation is for the reviewer alone: it goes into no event, log or notice.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Sum
from django.urls import reverse

from compliance.errors import EmergencyLocked, EmergencyRefused, NotFound, ReasonNeeded, SubjectErased
from compliance.models import EmergencyAccess, Event, EventCategory, Notice, NoticePriority, Patient, User
from compliance.selectors import decision_on
from compliance.selectors.identities import with_number
from compliance.selectors.policy import active_policy
from compliance.services.events import record_event
from compliance.services.notices import raise_notice, take_notice
from compliance.services.rights import rights_changed

VIEW = "compliance.view_patient"
NOTICE = "record_opened_in_emergency"
FAILED = "emergency_search_failed"
MOST_GUESSES, GUESSES_WITHIN = 5, timedelta(minutes=10)


@transaction.atomic
def open_record(
    *, user: User, record_number: str, birth_date: date, reason: str, explanation: str, now: datetime
) -> Patient:
    """Open the record for as long as the policy says, tell the ward's administrators, and return the patient.

    Nothing is opened where the record is within reach anyway. Asked after the policy allowed `compliance.break_glass`
    and a second factor was fresh. Raises ReasonNeeded before anything is looked up, and EmergencyRefused when no
    patient has this number and date of birth: nothing else tells that there is or is not such a patient.
    """
    glass = active_policy().break_glass
    if reason not in glass.reasons or not explanation.strip():
        raise ReasonNeeded("Choose a reason and say in a sentence what happened.")
    patient = with_number(record_number).first()
    if patient is None or not _was_born_on(patient, birth_date):
        raise EmergencyRefused
    if decision_on(user, VIEW, patient.policy_resource()):
        return patient
    access = EmergencyAccess.objects.create(
        user=user,
        patient=patient,
        reason=reason,
        reason_words=glass.reasons[reason],
        explanation=explanation.strip()[:1000],
        opened_at=now,
        ends_at=now + timedelta(minutes=glass.minutes),
    )
    record_event(
        category=EventCategory.SECURITY,
        code="record_opened_in_emergency",
        message="A record was opened in an emergency, outside the care relationship.",
        patient=patient,
        user=user,
        detail={"access": str(access.pk), "reason": reason, "minutes": glass.minutes},
    )
    raise_notice(
        code=NOTICE,
        subject=str(access.pk),
        message="A record was opened in an emergency, outside the care relationship. Judge whether it was justified.",
        priority=NoticePriority.MEDIUM,
        ward_id=patient.ward_id,
        link=reverse("compliance:emergency_review", args=[access.pk]),
    )
    rights_changed([user.pk])
    return patient


def refuse_when_guessing(user: User, now: datetime) -> None:
    """Raise EmergencyLocked when this person named too many patients that do not exist."""
    recent = Event.objects.filter(code=FAILED, user=user, at__gte=now - GUESSES_WITHIN)
    if (recent.aggregate(n=Sum("count"))["n"] or 0) >= MOST_GUESSES:
        raise EmergencyLocked


def note_guess(user: User) -> None:
    """Count a number and date of birth that belong to nobody. Called outside the transaction that failed."""
    record_event(
        category=EventCategory.SECURITY,
        code=FAILED,
        message="In an emergency, a record number and date of birth were given that belong to nobody.",
        user=user,
        fold=True,
    )


@transaction.atomic
def end_access(*, access_id: UUID, user: User, now: datetime) -> None:
    """End one's own emergency access early. Raises NotFound."""
    found = EmergencyAccess.objects.select_for_update().filter(pk=access_id, user=user, ends_at__gt=now).first()
    if found is None:
        raise NotFound
    EmergencyAccess.objects.filter(pk=found.pk).update(ends_at=now)
    record_event(
        category=EventCategory.SECURITY,
        code="emergency_access_ended",
        message="An emergency access was ended before its time.",
        patient=found.patient,
        user=user,
        detail={"access": str(found.pk)},
    )
    rights_changed([user.pk])


@transaction.atomic
def review(*, access: EmergencyAccess, by: User, justified: bool, note: str, now: datetime) -> None:
    """Judge an emergency access. Raises NotFound for one's own and for one that was judged before, and ReasonNeeded
    when it was not justified and no note says why."""
    locked = EmergencyAccess.objects.select_for_update().get(pk=access.pk)
    if locked.user_id == by.pk or locked.reviewed_at is not None:
        raise NotFound
    if not justified and not note.strip():
        raise ReasonNeeded("Say why it was not justified.")
    EmergencyAccess.objects.filter(pk=locked.pk).update(
        reviewed_by=by, reviewed_at=now, justified=justified, review_note=note.strip()[:1000]
    )
    record_event(
        category=EventCategory.SECURITY,
        code="emergency_access_judged",
        message="An emergency access was judged " + ("justified." if justified else "not justified."),
        patient=locked.patient,
        user=by,
        detail={"access": str(locked.pk), "justified": justified},
    )
    for notice in Notice.objects.filter(code=NOTICE, subject=str(locked.pk), taken_at__isnull=True):
        take_notice(notice=notice, by=by)


def _was_born_on(patient: Patient, day: date) -> bool:
    try:
        return patient.birth_date == day
    except SubjectErased:
        return False
