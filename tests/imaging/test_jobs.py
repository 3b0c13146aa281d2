"""Jobs survive everybody's death: one worker at a time, taken over when silent, bounded when poisonous."""

from __future__ import annotations

import errno
from datetime import timedelta

import pytest
from django.utils import timezone

from compliance.models import Event
from imaging.errors import LeaseLost
from imaging.models import ImagingJob, JobKind, JobState, Study, StudyState
from imaging.services import jobs

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(scanner, patient):  # type: ignore[no-untyped-def]
    study = Study.objects.create(gateway=scanner, patient=patient, content="dicom")
    return jobs.enqueue(study=study, kind=JobKind.OPEN)


def work_with(does):  # type: ignore[no-untyped-def]
    return {JobKind.OPEN: does, JobKind.RECONSTRUCT: does}


def test_finished_job_is_not_done_again(job) -> None:
    calls = []

    def work(lease) -> None:  # type: ignore[no-untyped-def]
        calls.append(lease.job.pk)
        lease.finish()

    for _ in range(3):
        jobs.run(job_id=job.pk, work=work_with(work))
    assert calls == [job.pk]


def test_second_worker_leaves_a_leased_job_alone(job) -> None:
    inner = []

    def work(lease) -> None:  # type: ignore[no-untyped-def]
        jobs.run(job_id=job.pk, work=work_with(inner.append))
        lease.finish()

    jobs.run(job_id=job.pk, work=work_with(work))
    assert inner == []


def test_silent_worker_is_replaced_and_cannot_finish_any_more(job) -> None:
    taken_over = []

    def second(lease) -> None:  # type: ignore[no-untyped-def]
        lease.finish()
        taken_over.append(True)

    def first(lease) -> None:  # type: ignore[no-untyped-def]
        ImagingJob.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert list(jobs.due()) == [job]
        jobs.run(job_id=job.pk, work=work_with(second))
        with pytest.raises(LeaseLost):
            lease.finish()
        lease.finish()

    jobs.run(job_id=job.pk, work=work_with(first))
    job.refresh_from_db()
    assert (taken_over, job.state) == ([True], JobState.DONE)


def test_study_that_kills_its_workers_is_set_aside(job) -> None:
    class Killed(BaseException):
        """What a worker sees of kill -9: nothing is caught, nothing is written."""

    def work(_lease) -> None:  # type: ignore[no-untyped-def]
        raise Killed

    for _ in range(jobs.MAX_ATTEMPTS):
        with pytest.raises(Killed):
            jobs.run(job_id=job.pk, work=work_with(work))
        ImagingJob.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    jobs.run(job_id=job.pk, work=work_with(work))
    job.refresh_from_db()
    assert (job.state, job.error_code, job.study.state) == (JobState.SET_ASIDE, "worker_lost", StudyState.SET_ASIDE)
    assert Event.objects.filter(code="worker_lost").exists()


def test_full_disk_puts_the_job_back_without_counting(job) -> None:
    def work(_lease) -> None:  # type: ignore[no-untyped-def]
        raise OSError(errno.ENOSPC, "No space left on device")

    for _ in range(jobs.MAX_ATTEMPTS + 1):
        ImagingJob.objects.update(lease_until=None)
        jobs.run(job_id=job.pk, work=work_with(work))
    job.refresh_from_db()
    assert (job.state, job.error_code, job.attempts) == (JobState.QUEUED, "storage_full", 0)
    assert job.lease_until > timezone.now()
    assert Event.objects.filter(code="storage_full").exists()


def test_unexpected_failure_is_tried_again_but_not_for_ever(job, caplog) -> None:
    def work(_lease) -> None:  # type: ignore[no-untyped-def]
        raise RuntimeError("a bug")

    for _ in range(jobs.MAX_ATTEMPTS + 1):
        ImagingJob.objects.update(lease_until=None)
        jobs.run(job_id=job.pk, work=work_with(work))
    job.refresh_from_db()
    assert job.state == JobState.SET_ASIDE
    assert caplog.text.count("RuntimeError: a bug") == jobs.MAX_ATTEMPTS


def test_process_without_the_opening_key_waits_for_one_that_has_it(job, settings, hospital) -> None:
    from imaging.services import keys

    settings.IMAGING_OPENING_KEY_FILE = ""
    jobs.run(job_id=job.pk, work=work_with(lambda _lease: keys.opening_key()))
    job.refresh_from_db()
    assert (job.state, job.error_code) == (JobState.QUEUED, "opening_key_absent")


def test_dead_broker_does_not_lose_the_job(job, caplog) -> None:
    jobs.wake(job.pk)
    assert list(jobs.due()) == [job]


def test_one_unfinished_job_per_kind(job) -> None:
    assert jobs.enqueue(study=job.study, kind=JobKind.OPEN) == job


def test_progress_is_shown_and_holds_the_lease(job, monkeypatch) -> None:
    monkeypatch.setattr(jobs, "SIGN_OF_LIFE_EVERY_S", 60.0)
    seen = []

    def work(lease) -> None:  # type: ignore[no-untyped-def]
        lease.keep(0.25, "opening")
        seen.append(ImagingJob.objects.values_list("progress", "stage").get())
        lease.keep(0.5, "too soon to be written again")
        seen.append(ImagingJob.objects.values_list("progress", "stage").get())
        lease.finish()

    jobs.run(job_id=job.pk, work=work_with(work))
    assert seen == [(0.25, "opening"), (0.25, "opening")]
