"""Record what became of a dose: checked, given, withheld, refused, corrected. Nothing is ever deleted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction

from compliance.adherence.measures import SWALLOWED, DoseState
from compliance.errors import (
    DoseRefused,
    EntryNotCorrectable,
    IntakeNotWithdrawable,
    NotFound,
    NothingWasGiven,
    ReasonNeeded,
)
from compliance.models import (
    Administration,
    DoseCheck,
    EventCategory,
    Intake,
    MedicationOrder,
    Outcome,
    OutcomeReason,
    Patient,
    ScheduledDose,
    User,
)
from compliance.orders.guard import Refused, Wanted, refusal_of
from compliance.selectors.orders import RECENT, check_for, given_of_substance
from compliance.services.events import record_event, record_refusal
from compliance.services.intakes import (
    WITHDRAW_WITHIN,
    mark_taken,
    restore_dose,
    settle_by_hand,
    take_back,
    withdraw_intake,
)

NOT_GIVEN = {
    Outcome.WITHHELD: (
        OutcomeReason.VITALS,
        OutcomeReason.LABORATORY,
        OutcomeReason.FASTING,
        OutcomeReason.ASLEEP,
        OutcomeReason.UNAVAILABLE,
        OutcomeReason.ON_ADVICE,
    ),
    Outcome.REFUSED: (OutcomeReason.UNWANTED, OutcomeReason.SIDE_EFFECT, OutcomeReason.ASLEEP),
}
CORRECTIONS = (
    OutcomeReason.MISTAKE,
    OutcomeReason.WRONG_AMOUNT,
    OutcomeReason.WRONG_PATIENT,
    OutcomeReason.ENTERED_TWICE,
)
SENTENCES = {
    Outcome.GIVEN: "A dose was given.",
    Outcome.WITHHELD: "A dose was withheld.",
    Outcome.REFUSED: "The patient refused a dose.",
    Outcome.VOID: "An entry about a dose was taken back.",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """What a person says became of a dose. `amount` is in the order's unit; zero unless given."""

    outcome: Outcome
    at: datetime
    amount: float = 0.0
    reason: str = ""


@transaction.atomic
def check_dose(*, dose: ScheduledDose, user: User, amount: float, now: datetime) -> DoseCheck:
    """Confirm a dose that a colleague is about to give. Raises DoseRefused when the order would not allow it now."""
    locked, order = _locked(dose)
    wanted = Wanted(amount, order.unit, now, user.pk, _given(locked))
    plain = replace(order.terms(), high_alert=False)  # the check itself is what is being made
    _refuse(refusal_of(plain, wanted, given_of_substance(order, now - RECENT), None, now))
    check = DoseCheck.objects.create(
        patient=order.patient, order=order, dose=locked, amount=amount, checked_by=user, checked_at=now
    )
    record_event(
        category=EventCategory.CLINICAL,
        code="dose_checked",
        message="A second person checked a dose.",
        patient=order.patient,
        user=user,
        detail={
            "check": check.pk,
            "origin": "prescribed",
            **_about(order, locked),
            "amount": amount,
            "unit": order.unit,
        },
    )
    return check


def record_dose(*, dose: ScheduledDose, user: User, entry: Entry, now: datetime) -> Administration:
    """Record what became of a dose. Raises DoseRefused with the guard's reason, or ReasonNeeded.

    A refusal is recorded after the transaction that it ended, or it would vanish with it; where that one was part of
    a larger one, after the larger one.
    """
    try:
        with transaction.atomic():
            return _record(dose, user, entry, now)
    except DoseRefused as error:
        record_refusal(
            category=EventCategory.CLINICAL,
            code=error.code,
            message="The dose guard refused a dose.",
            patient=dose.patient,
            user=user,
            detail={"dose": dose.pk, "amount": entry.amount},
            fold=True,
        )
        raise


def take(*, dose: ScheduledDose, user: User, now: datetime, at: datetime | None = None) -> None:
    """Record that a dose was taken as planned, now or `at` a moment before: under its order where it has one."""
    order = MedicationOrder.objects.filter(regimen=dose.regimen_id).first()
    if order is None:
        mark_taken(dose=dose, user=user, now=now, at=at)
    else:
        record_dose(dose=dose, user=user, entry=Entry(Outcome.GIVEN, at or now, order.dose), now=now)


def undo_taken(*, intake: Intake, user: User, now: datetime) -> None:
    """Take back by one click what was recorded by one: by a correcting entry where there is an order."""
    entry = Administration.objects.filter(intake=intake, corrected_by__isnull=True).select_related("dose").first()
    if entry is None:
        withdraw_intake(intake=intake, user=user, now=now)
    elif now - entry.recorded_at > WITHDRAW_WITHIN:
        raise IntakeNotWithdrawable  # by then it takes a correction with its reason, which a colleague reads
    else:
        nothing = Entry(Outcome.VOID, now)
        correct_entry(entry=entry, user=user, becomes=nothing, reason=OutcomeReason.MISTAKE, now=now)


@transaction.atomic
def correct_entry(*, entry: Administration, user: User, becomes: Entry, reason: str, now: datetime) -> Administration:
    """Write the entry that takes the place of `entry`; with Outcome.VOID nothing of the kind happened.

    What happened has to be recordable, so the guard does not refuse another amount of what was given: a dose outside
    its order then breaks a rule over the log, where it is seen and explained. What was not given does not become
    given this way, past guard and double check. Raises NothingWasGiven, EntryNotCorrectable when it was corrected
    already or its dose has another entry that says it was given, and ReasonNeeded.
    """
    if reason not in CORRECTIONS:
        raise ReasonNeeded
    dose, order = _locked(entry.dose)
    if entry.outcome == Outcome.VOID or Administration.objects.filter(corrects=entry).exists():
        raise EntryNotCorrectable
    if becomes.outcome == Outcome.GIVEN:
        _refuse_odd(dose, entry, becomes)
        if entry.outcome != Outcome.GIVEN:
            raise NothingWasGiven
    if entry.intake is not None:
        take_back(intake=entry.intake, user=user, now=now)
        dose.refresh_from_db()
    elif dose.state not in SWALLOWED:
        restore_dose(dose, now)
    return _store(dose, order, user, Entry(becomes.outcome, becomes.at, becomes.amount, reason), now, corrects=entry)


def _record(dose: ScheduledDose, user: User, entry: Entry, now: datetime) -> Administration:
    locked, order = _locked(dose)
    check = None
    if entry.outcome == Outcome.GIVEN:
        wanted = Wanted(entry.amount, order.unit, entry.at, user.pk, _given(locked))
        check = check_for(locked, entry.amount)
        seen = check.seen() if check is not None else None
        _refuse(refusal_of(order.terms(), wanted, given_of_substance(order, entry.at - RECENT), seen, now))
    elif entry.reason not in NOT_GIVEN.get(entry.outcome, ()):
        raise ReasonNeeded
    return _store(locked, order, user, entry, now, check=check if order.high_alert else None)


def _store(
    dose: ScheduledDose,
    order: MedicationOrder,
    user: User,
    entry: Entry,
    now: datetime,
    *,
    check: DoseCheck | None = None,
    corrects: Administration | None = None,
) -> Administration:
    given = entry.outcome == Outcome.GIVEN
    made = Administration.objects.create(
        patient=order.patient,
        order=order,
        dose=dose,
        outcome=entry.outcome,
        reason="" if given and corrects is None else entry.reason,
        amount=entry.amount if given else 0.0,
        at=entry.at,
        recorded_at=now,
        recorded_by=user,
        check_used=check,
        corrects=corrects,
        intake=_settle(dose, user, entry, now),
    )
    record_event(
        category=EventCategory.CLINICAL,
        code=f"dose_{entry.outcome.value}",
        message=SENTENCES[entry.outcome],
        patient=order.patient,
        user=user,
        detail={
            "administration": made.pk,
            **_about(order, dose),
            "amount": made.amount,
            "unit": order.unit,
            "given_at": entry.at.isoformat(),
            "high_alert": bool(order.high_alert),
            "check": check.pk if check else None,
            "entry": "correction" if corrects else "first",
            "corrects": corrects.pk if corrects else None,
            "reason": made.reason,
        },
    )
    return made


def _settle(dose: ScheduledDose, user: User, entry: Entry, now: datetime) -> Intake | None:
    """Let the plan of doses follow: given is taken, withheld is cancelled, refused is not taken."""
    if entry.outcome == Outcome.GIVEN and dose.state not in SWALLOWED:  # else a pillbox saw it before the nurse
        return settle_by_hand(dose=dose, user=user, at=entry.at, now=now)
    if entry.outcome in NOT_GIVEN and dose.state in (DoseState.PENDING, DoseState.MISSED):
        state = DoseState.SKIPPED if entry.outcome == Outcome.WITHHELD else DoseState.MISSED
        dose.state, dose.changed_at = state.value, now
        dose.save(update_fields=["state", "changed_at"])
    return None


def _locked(dose: ScheduledDose) -> tuple[ScheduledDose, MedicationOrder]:
    """Return the dose and its order; one person at a time writes a patient's entries, so that sums are right."""
    Patient.objects.select_for_update(no_key=True).get(pk=dose.patient_id)
    locked = ScheduledDose.objects.select_for_update(of=("self",)).select_related("regimen", "patient").get(pk=dose.pk)
    order = MedicationOrder.objects.select_related("patient", "regimen").filter(regimen=locked.regimen_id).first()
    if order is None:
        raise NotFound
    return locked, order


def _refuse_odd(dose: ScheduledDose, entry: Administration, becomes: Entry) -> None:
    """Refuse a correction that no fact could be: no amount, or the same dose given twice."""
    if not 0 < becomes.amount < float("inf"):
        raise ReasonNeeded("Enter how much was given.")
    if entry.outcome != Outcome.GIVEN and _given(dose):
        raise EntryNotCorrectable("Another entry says that this dose was given. Correct that one.")


def _given(dose: ScheduledDose) -> bool:
    return Administration.objects.filter(dose=dose, outcome=Outcome.GIVEN, corrected_by__isnull=True).exists()


def _refuse(refused: Refused | None) -> None:
    if refused is not None:
        raise DoseRefused(refused.reason.value, refused.sentence)


def _about(order: MedicationOrder, dose: ScheduledDose) -> dict[str, object]:
    return {"order": order.pk, "dose": dose.pk, "atc": order.atc}
