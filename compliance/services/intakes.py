"""Record what was taken: verified by a pillbox or entered by a person, and settle the doses it accounts for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import groupby

from django.db import transaction
from django.db.models import Q

from compliance.adherence.fusion import Episode, Finding, Verdict, judge
from compliance.adherence.measures import DoseState
from compliance.errors import DoseNotOpen, IntakeNotWithdrawable
from compliance.models import EventCategory, Intake, IntakeSource, Patient, ScheduledDose, User
from compliance.services.events import record_event
from compliance.signals import intake_recorded, intake_withdrawn

LATE_UP_TO = timedelta(hours=12)  # an intake later than this after the window is not that dose any more
# Two openings of a lid lie further apart. Two gateways that hear one opening number and time it each for itself.
SAME_OPENING = timedelta(seconds=0.5)
WITHDRAW_WITHIN = timedelta(hours=12)
UNKNOWN_DOSE_G = 0.5  # a common tablet; used when nothing is planned for this pillbox
UNSETTLED = (DoseState.PENDING, DoseState.MISSED)
# Worth a line on the timeline: more left the box than was due. The sentences carry no names.
NOTEWORTHY = {
    Finding.DOUBLE: ("double_dose_seen", "Twice the planned amount left the pillbox."),
    Finding.SEVERAL: ("several_doses_seen", "Three or more doses left the pillbox at once."),
}
EXTRA = ("extra_dose_seen", "A dose left the pillbox after the planned one had already been taken.")


def _current_doses(patient: Patient, at: datetime) -> list[ScheduledDose]:
    """Return, for each regimen in the pillbox, the dose that an intake at `at` belongs to, oldest due first.

    That is the newest dose whose window had opened by then; it stays the one until the next dose's window opens.
    """
    near = (
        ScheduledDose.objects.select_for_update(of=("self",), no_key=True)
        .filter(patient=patient, regimen__in_pillbox=True, opens_at__lte=at, closes_at__gte=at - LATE_UP_TO)
        .exclude(state=DoseState.SKIPPED)
    )
    newest = {dose.regimen_id: dose for dose in near.select_related("regimen__medication", "intake").order_by("due_at")}
    return sorted(newest.values(), key=lambda dose: dose.due_at)


def _explain(episode: Episode, doses: list[ScheduledDose]) -> tuple[Verdict, list[ScheduledDose]]:
    """Return the verdict, and the doses it is about: all that were open, those due at one moment, or a single one."""
    by_moment = [list(group) for _, group in groupby(doses, key=lambda dose: dose.due_at)]
    choices = [doses, *by_moment, *([dose] for dose in doses)]
    judged = [(judge(episode, sum(dose.regimen.dose_weight_g for dose in choice)), choice) for choice in choices]
    fitting = [entry for entry in judged if entry[0].finding is Finding.TAKEN]
    return max(fitting or judged, key=lambda entry: entry[0].confidence)


@transaction.atomic
def record_pillbox_episode(*, patient: Patient, device_id: int, episode: Episode, now: datetime) -> Intake | None:
    """Record one opening of a pillbox; return None when it is recorded already.

    The intake counts at its event time, however late it is heard of: a dose marked missed meanwhile becomes taken or
    late.
    """
    # One intake of a patient at a time. Not a full lock: an alert about this patient must be insertable meanwhile.
    Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)
    at = datetime.fromtimestamp(episode.opened_at, tz=UTC)
    if _is_recorded(device_id, episode.opened_seq, at):
        return None
    current = _current_doses(patient, at)
    # What a demonstration made up gives way to what a device saw.
    unsettled = [dose for dose in current if dose.state in UNSETTLED or dose.synthetic]
    verdict, doses = judge(episode, UNKNOWN_DOSE_G), list[ScheduledDose]()
    if current:
        verdict, doses = _explain(episode, unsettled or current)
    intake = Intake.objects.create(
        patient=patient,
        source=IntakeSource.PILLBOX,
        finding=verdict.finding.value,
        confidence=verdict.confidence,
        at=at,
        recorded_at=now,
        device_id=device_id,
        seq=episode.opened_seq,
        last_seq=episode.closed_seq,
        weight_drop_g=episode.weight_drop_g,
        hand_seen=episode.hand,
    )
    settled = _settle(intake, doses if unsettled else [], now)
    _note(intake, extra=bool(current) and not unsettled and _seen_by_pillbox(doses))
    intake_recorded.send(sender=Intake, patient=patient, intake=intake, doses=settled)
    return intake


def _is_recorded(device_id: int, seq: int, at: datetime) -> bool:
    """Tell whether this opening has its intake, be it under the number that another gateway gave."""
    same_moment = Q(source=IntakeSource.PILLBOX, at__gt=at - SAME_OPENING, at__lt=at + SAME_OPENING)
    return Intake.objects.filter(Q(seq=seq) | same_moment, device_id=device_id).exists()


def _seen_by_pillbox(doses: list[ScheduledDose]) -> bool:
    """Tell whether a pillbox had settled these doses; after an entry by hand its intake confirms instead of adding."""
    return any(dose.intake is not None and dose.intake.source == IntakeSource.PILLBOX for dose in doses)


def _settle(intake: Intake, doses: list[ScheduledDose], now: datetime) -> list[ScheduledDose]:
    """Mark the doses that `intake` accounts for. Several doses at once left the box; nobody knows whether one was
    taken.
    """
    if intake.finding not in {Finding.TAKEN, Finding.DOUBLE}:
        return []
    for dose in doses:
        dose.state = DoseState.TAKEN.value if intake.at <= dose.closes_at else DoseState.LATE.value
        dose.intake, dose.changed_at, dose.synthetic = intake, now, False
    ScheduledDose.objects.bulk_update(doses, ["state", "intake", "changed_at", "synthetic"])
    return doses


def _note(intake: Intake, *, extra: bool) -> None:
    noted = NOTEWORTHY.get(Finding(intake.finding))
    if noted is None and extra and intake.finding == Finding.TAKEN:
        noted = EXTRA
    if noted is not None:
        code, message = noted
        record_event(
            category=EventCategory.CLINICAL,
            code=code,
            message=message,
            patient=intake.patient,
            device_id=intake.device_id,
            detail={"intake": intake.pk},
        )


@transaction.atomic
def mark_taken(*, dose: ScheduledDose, user: User, now: datetime, at: datetime | None = None) -> Intake:
    """Record that a person saw a dose without an order being taken, now or `at` a moment before. Raises DoseNotOpen."""
    at = at or now
    locked = ScheduledDose.objects.select_for_update(of=("self",)).select_related("patient").get(pk=dose.pk)
    if locked.state not in UNSETTLED or at > now or not locked.opens_at <= at <= locked.closes_at + LATE_UP_TO:
        raise DoseNotOpen
    intake = settle_by_hand(dose=locked, user=user, at=at, now=now)
    record_event(
        category=EventCategory.CLINICAL,
        code="intake_entered",
        message="A dose was marked as taken by hand.",
        patient=locked.patient,
        user=user,
        detail={"intake": intake.pk},
    )
    return intake


def settle_by_hand(*, dose: ScheduledDose, user: User, at: datetime, now: datetime) -> Intake:
    """Write the intake that a person reports and settle its dose, inside the caller's transaction."""
    intake = Intake.objects.create(
        patient=dose.patient,
        source=IntakeSource.MANUAL,
        finding=Finding.TAKEN.value,
        confidence=1.0,
        regimen_id=dose.regimen_id,
        at=at,
        recorded_at=now,
        recorded_by=user,
    )
    settled = _settle(intake, [dose], now)
    intake_recorded.send(sender=Intake, patient=dose.patient, intake=intake, doses=settled)
    return intake


@transaction.atomic
def withdraw_intake(*, intake: Intake, user: User, now: datetime) -> None:
    """Take an entry by hand back: its doses are open, or missed, again. The entry stays, marked.

    Raises IntakeNotWithdrawable.
    """
    locked = Intake.objects.select_for_update(of=("self",)).select_related("patient").get(pk=intake.pk)
    too_old = now - locked.recorded_at > WITHDRAW_WITHIN
    if locked.source != IntakeSource.MANUAL or locked.withdrawn_at is not None or too_old:
        raise IntakeNotWithdrawable
    take_back(intake=locked, user=user, now=now)
    record_event(
        category=EventCategory.CLINICAL,
        code="intake_withdrawn",
        message="An entry by hand was taken back.",
        patient=locked.patient,
        user=user,
        detail={"intake": locked.pk},
    )


def take_back(*, intake: Intake, user: User, now: datetime) -> None:
    """Mark an entry by hand as withdrawn and reopen its doses, inside the caller's transaction."""
    intake.withdrawn_at, intake.withdrawn_by = now, user
    intake.save(update_fields=["withdrawn_at", "withdrawn_by"])
    doses = list(intake.doses.select_for_update())
    for dose in doses:
        restore_dose(dose, now)
    intake_withdrawn.send(sender=Intake, patient=intake.patient, intake=intake, doses=doses)


def restore_dose(dose: ScheduledDose, now: datetime) -> None:
    """Let a dose be open again, or missed where its window has closed."""
    dose.state = DoseState.PENDING.value if now <= dose.closes_at else DoseState.MISSED.value
    dose.intake, dose.changed_at = None, now
    dose.save(update_fields=["state", "intake", "changed_at"])
