"""Erase a person: approve what they asked for, and carry it out part by part.

Each part is taken in small steps, each in a transaction that also notes how far it got. A worker may be killed
anywhere: the next one goes on. What is written about it names the erasure and never the person.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from celery import current_app
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from kombu.exceptions import OperationalError

from compliance.errors import AlreadyErased, DomainError, ErasureHeld, ErasureObstructed, ReasonNeeded
from compliance.models import Erasure, ErasureStep, EventCategory, Patient, PrivacyRequest, User
from compliance.privacy.erasers import obstacles_of, part_of
from compliance.privacy.grounds import GROUNDS, UNBOUND
from compliance.privacy.requests import RequestState
from compliance.selectors.retention import is_held, plan_for
from compliance.services.events import record_event
from compliance.services.privacy_requests import close, decide

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=60)  # a killed worker is replaced after this long
AT_ONCE = 500  # items of a part in one transaction


class LeaseLost(DomainError):
    """Another worker took this erasure over."""

    code = "erasure_lease_lost"
    permanent = False


@transaction.atomic
def approve_erasure(
    *, request: PrivacyRequest, by: User, ground: str, unbound: str, answer: str, now: datetime
) -> Erasure:
    """Approve an erasure and wake a worker. Asked after the policy and a fresh second factor allowed it.

    Raises ReasonNeeded, OwnRequest, RequestSettled, AlreadyErased, ErasureHeld, and ErasureObstructed, which says what
    has to be done first.
    """
    if ground not in GROUNDS or unbound not in UNBOUND:
        raise ReasonNeeded("Choose on what ground, and whether the law keeps something.")
    patient = Patient.objects.select_for_update(of=("self",)).get(pk=request.patient_id)
    _refuse_when_impossible(patient)
    plan = plan_for(patient.pk, now, bound=not unbound)
    decide(request=request, by=by, granted=True, answer=answer, now=now)
    erasure = Erasure.objects.create(
        request=request, patient=patient, ward_id=patient.ward_id, ground=ground, unbound=unbound, approved_by=by,
        approved_at=now,
    )  # fmt: skip
    ErasureStep.objects.bulk_create(
        ErasureStep(
            erasure=erasure, part=one.part.key, order=one.part.order, not_before=one.not_before, because=one.because
        )
        for one in plan
    )
    kept = [one.part.key for one in plan if one.not_before]
    by_another = request.asked_by_id != by.pk  # a rule over the log asks for two people
    _tell(
        erasure, "erasure_approved", "The erasure of a record was approved.", by,
        unbound=unbound, kept=kept, by_another=by_another,
    )  # fmt: skip
    transaction.on_commit(lambda: wake(erasure.pk))
    return erasure


def _refuse_when_impossible(patient: Patient) -> None:
    if patient.erased_at is not None or Erasure.objects.filter(patient=patient).exists():
        raise AlreadyErased
    if is_held(patient.pk):
        raise ErasureHeld
    if found := obstacles_of(patient.pk):
        raise ErasureObstructed(" ".join(found))


def wake(erasure_id: UUID) -> None:
    """Ask a worker to look at an erasure. A dead broker is logged: `resume_erasures` asks again."""
    try:
        current_app.send_task("compliance.tasks.run_erasure", args=[str(erasure_id)], expires=60, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("no broker to wake a worker for erasure %s: %s", erasure_id, type(error).__name__)


def due(now: datetime) -> QuerySet[Erasure]:
    """Return the erasures that a worker may go on with: something of them is due, and nobody holds them."""
    ripe = ErasureStep.objects.filter(Q(not_before=None) | Q(not_before__lte=now), done_at=None)
    free = Q(lease=None) | Q(lease_until__lte=now)
    return Erasure.objects.filter(free, finished_at=None, pk__in=ripe.values("erasure_id"))


def resume_erasures(*, now: datetime) -> int:
    """Wake a worker for every erasure that waits, was interrupted, or whose kept parts are free now."""
    ids = list(due(now).values_list("pk", flat=True)[:100])
    for erasure_id in ids:
        wake(erasure_id)
    return len(ids)


def run_erasure(erasure_id: UUID) -> None:
    """Go on with an erasure if it is due and nobody else does; it stops with a sentence where it cannot go on."""
    token, now = uuid4(), timezone.now()
    if not due(now).filter(pk=erasure_id).update(lease=token, lease_until=now + LEASE):
        return
    problem = ""
    try:
        _do_steps(erasure_id, token)
    except LeaseLost:
        log.info("erasure %s was taken over", erasure_id)
        return
    except DomainError as error:
        problem = error.message[:240]
    Erasure.objects.filter(pk=erasure_id, lease=token).update(lease=None, lease_until=None, problem=problem)


def _do_steps(erasure_id: UUID, token: UUID) -> None:
    ripe = Q(not_before=None) | Q(not_before__lte=timezone.now())
    for step in ErasureStep.objects.filter(ripe, erasure=erasure_id, done_at=None).order_by("order", "part"):
        while not _go_on(step, token):
            pass
    with transaction.atomic():
        erasure = _held(erasure_id, token)
        now = timezone.now()
        if not erasure.steps.filter(done_at=None).exists():
            erasure.finished_at = now
            erasure.save(update_fields=["finished_at"])
            _tell(erasure, "record_erased", "A record was erased.", None, removed=_counts(erasure))
        if erasure.request.state == RequestState.APPROVED:  # what the law keeps goes later, without anybody asking
            close(request=erasure.request, by=None, now=now)
    _overwrite()


@transaction.atomic
def _go_on(step: ErasureStep, token: UUID) -> bool:
    """Take one bounded piece of a part and note it; True when nothing of the part is left."""
    erasure = _held(step.erasure_id, token)
    if is_held(erasure.patient_id):
        raise ErasureHeld
    part = part_of(step.part)
    if part is None:
        raise ErasureObstructed(f"No application answers for the part '{step.part}' any more.")
    gone = part.erase(erasure.patient_id, AT_ONCE)
    if gone:
        ErasureStep.objects.filter(pk=step.pk).update(removed=F("removed") + gone)
        return False
    ErasureStep.objects.filter(pk=step.pk).update(done_at=timezone.now())
    return True


def _held(erasure_id: UUID, token: UUID) -> Erasure:
    """Lock the erasure and extend the lease. Raises LeaseLost."""
    erasure = Erasure.objects.select_for_update(of=("self",)).select_related("request").get(pk=erasure_id)
    if erasure.lease != token:
        raise LeaseLost
    erasure.lease_until = timezone.now() + LEASE
    erasure.save(update_fields=["lease_until"])
    return erasure


def _counts(erasure: Erasure) -> dict[str, int]:
    return dict(erasure.steps.order_by("order", "part").values_list("part", "removed"))


def _overwrite() -> None:
    """Let SQLite fold its write-ahead log in, which still holds old pages. PostgreSQL does this in its own time."""
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _tell(erasure: Erasure, code: str, message: str, by: User | None, **detail: object) -> None:
    record_event(
        category=EventCategory.SECURITY,
        code=code,
        message=message,
        ward_id=erasure.ward_id,
        user=by,
        detail={"erasure": str(erasure.pk), "ground": erasure.ground, **detail},
    )
