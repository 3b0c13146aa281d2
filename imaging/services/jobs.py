"""Leased jobs. A broker message only wakes a worker; the row decides who works, and survives everybody's death."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID, uuid4

from celery import current_app
from django.db import DatabaseError, connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from kombu.exceptions import OperationalError

from compliance.errors import DomainError
from compliance.models import EventCategory
from compliance.services.events import record_error
from imaging.errors import (
    DecompressionBomb,
    LeaseLost,
    StudyAltered,
    StudyKeyWrong,
    StudySignerWrong,
    WorkerLost,
)
from imaging.models import ImagingJob, JobKind, JobState, SeriesKind, Study, StudyState
from imaging.services.files import naming_full_disk
from imaging.signals import study_changed

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=20)  # a killed worker is replaced after this long
HEARTBEAT_S = 5.0
LONGEST_JOB_S = 3000.0  # below the broker's visibility timeout; a job that hangs longer loses its lease
RETRY_AFTER = timedelta(seconds=30)
MAX_ATTEMPTS = 4
SIGN_OF_LIFE_EVERY_S = 1.0
SECURITY_ERRORS = (StudyAltered, StudyKeyWrong, StudySignerWrong, DecompressionBomb)


class Lease:
    """One worker's hold on one job."""

    def __init__(self, job: ImagingJob, token: UUID) -> None:
        self.job = job
        self._token = token
        self._said_at = 0.0

    def keep(self, progress: float, stage: str) -> None:
        """Show progress (0 to 1), at most once a second; raise LeaseLost when another worker took over."""
        if time.monotonic() - self._said_at < SIGN_OF_LIFE_EVERY_S:
            return
        self._said_at = time.monotonic()
        self._update(progress=progress, stage=stage[:60], lease_until=timezone.now() + LEASE)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold on in the background while the body works: one step may take longer than a lease."""
        ended = threading.Event()
        heart = threading.Thread(target=self._beat, args=(ended,), daemon=True, name=f"lease-{self.job.pk}")
        heart.start()
        try:
            yield
        finally:
            ended.set()
            heart.join()

    def _beat(self, ended: threading.Event) -> None:
        until = time.monotonic() + LONGEST_JOB_S
        while not ended.wait(HEARTBEAT_S) and time.monotonic() < until:
            try:
                self._update(lease_until=timezone.now() + LEASE)
            except LeaseLost:
                return  # the work finds out itself when it next says how far it is
            except DatabaseError as error:
                log.warning("job %s could not extend its lease: %s", self.job.pk, type(error).__name__)
            finally:
                connection.close()  # this thread's own

    def finish(self) -> None:
        """Mark the job done, inside the transaction that stores its result; raise LeaseLost when another took over."""
        self._update(state=JobState.DONE, progress=1.0, stage="", lease=None, finished_at=timezone.now())

    def _update(self, **changes: object) -> None:
        held = ImagingJob.objects.filter(pk=self.job.pk, state=JobState.RUNNING, lease=self._token)
        if held.update(**changes) != 1:
            raise LeaseLost

    def set_aside(self, error: DomainError) -> None:
        """Give up for good and say why."""
        _set_aside(self.job, error, held_by=self._token)

    def give_back(self, error: DomainError, *, counted: bool) -> None:
        """Let the job be tried again later. An attempt that failed for want of space or a key does not count."""
        self._update(
            state=JobState.QUEUED,
            lease=None,
            lease_until=timezone.now() + RETRY_AFTER,
            error_code=error.code,
            error=error.message[:240],
            attempts=F("attempts") if counted else F("attempts") - 1,
        )
        record_error(error, category=EventCategory.OPERATION, gateway_id=self.job.study.gateway_id)


Work = Callable[[Lease], None]


def enqueue(*, study: Study, kind: JobKind, lamda: float | None = None) -> ImagingJob:
    """Store a job, or return the unfinished one of this kind, and wake a worker after the commit."""
    waiting = {"study": study, "kind": kind, "state__in": [JobState.QUEUED, JobState.RUNNING]}
    job = ImagingJob.objects.filter(**waiting).first()
    if job is None:
        job = ImagingJob(study=study, kind=kind)
        if lamda is not None:
            job.lamda = lamda
        job.save()
    transaction.on_commit(lambda: wake(job.pk))
    return job


def wake(job_id: int) -> None:
    """Ask a worker to look at a job. A dead broker is logged: `imaging.tasks.resume_jobs` asks again."""
    try:
        current_app.send_task("imaging.tasks.run_job", args=[job_id], expires=60, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("no broker to wake a worker for job %s: %s", job_id, type(error).__name__)


def due() -> QuerySet[ImagingJob]:
    """Return the jobs that a worker may take now: waiting ones, and ones whose worker went silent."""
    now = timezone.now()
    waiting = Q(state=JobState.QUEUED) & (Q(lease_until__isnull=True) | Q(lease_until__lte=now))
    return ImagingJob.objects.filter(waiting | Q(state=JobState.RUNNING, lease_until__lte=now))


def resume() -> int:
    """Wake a worker for every job that is due; return how many there are."""
    ids = list(due().values_list("pk", flat=True)[:500])
    for job_id in ids:
        wake(job_id)
    return len(ids)


def run(*, job_id: int, work: Mapping[str, Work]) -> None:
    """Do a job if it is due and nobody else does it. Every failure ends in a row with its reason, none in a crash
    loop."""
    lease = _take(job_id)
    if lease is None:
        return
    try:
        with lease.held(), naming_full_disk():
            work[lease.job.kind](lease)
    except LeaseLost:
        log.info("job %s was taken over", job_id)
    except DomainError as error:
        if error.permanent:
            lease.set_aside(error)
        else:
            lease.give_back(error, counted=False)
    except Exception:  # a poison study must not stop the worker; MAX_ATTEMPTS bounds how often it is tried
        log.exception("job %s failed", job_id)
        lease.give_back(DomainError("The job failed; see the worker's log."), counted=True)


def _take(job_id: int) -> Lease | None:
    """Lease the job in one statement, which only one worker can win."""
    token = uuid4()
    taken = (
        due()
        .filter(pk=job_id, attempts__lt=MAX_ATTEMPTS)
        .update(state=JobState.RUNNING, lease=token, lease_until=timezone.now() + LEASE, attempts=F("attempts") + 1)
    )
    if taken:
        return Lease(ImagingJob.objects.select_related("study__gateway", "study__patient").get(pk=job_id), token)
    spent = due().select_related("study").filter(pk=job_id, attempts__gte=MAX_ATTEMPTS).first()
    if spent is not None:
        _set_aside(spent, WorkerLost(), held_by=spent.lease)
    return None


def _set_aside(job: ImagingJob, error: DomainError, held_by: UUID | None) -> None:
    category = EventCategory.SECURITY if isinstance(error, SECURITY_ERRORS) else EventCategory.DATA_QUALITY
    with transaction.atomic():
        held = ImagingJob.objects.filter(pk=job.pk, lease=held_by, state__in=[JobState.QUEUED, JobState.RUNNING])
        reason = {"error_code": error.code, "error": error.message[:240]}
        if not held.update(state=JobState.SET_ASIDE, lease=None, finished_at=timezone.now(), **reason):
            return
        study = Study.objects.select_for_update().get(pk=job.study_id)
        study.reason_code, study.reason = error.code, error.message[:240]
        # A reconstruction that is tried again and fails leaves the pictures that are already there.
        seen = study.series.exclude(kind=SeriesKind.KSPACE).exists()
        study.state = StudyState.READY if job.kind == JobKind.RECONSTRUCT and seen else StudyState.SET_ASIDE
        study.save(update_fields=["state", "reason_code", "reason"])
        record_error(error, category=category, patient=study.patient, gateway_id=study.gateway_id)
        announce(study)


def announce(study: Study) -> None:
    """Tell the upper packages after the commit that the study changed."""
    transaction.on_commit(lambda: study_changed.send(Study, study=study))
