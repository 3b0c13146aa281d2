"""Celery's way in. A message only wakes a worker; the job's row decides (see imaging.services.jobs)."""

from __future__ import annotations

from celery import shared_task

from imaging.services import jobs, uploads, work


@shared_task(name="imaging.tasks.run_job")  # type: ignore[untyped-decorator]
def run_job(job_id: int) -> None:
    """Do one imaging job, if it is due and nobody else does it."""
    work.run_job(job_id=job_id)


@shared_task(name="imaging.tasks.resume_jobs")  # type: ignore[untyped-decorator]
def resume_jobs() -> None:
    """Wake a worker for every job that waits or whose worker went silent, and drop uploads that nobody finished."""
    jobs.resume()
    uploads.forget_stale()
