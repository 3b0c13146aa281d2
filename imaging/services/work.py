"""What a worker does for each kind of job. Kept apart from `jobs`, so that a web process never imports the decoders."""

from __future__ import annotations

from imaging.models import JobKind
from imaging.services import jobs
from imaging.services.opening import open_sealed
from imaging.services.reconstruction import reconstruct_study

WORK: dict[str, jobs.Work] = {JobKind.OPEN: open_sealed, JobKind.RECONSTRUCT: reconstruct_study}


def run_job(*, job_id: int) -> None:
    """Do one job, if it is due."""
    jobs.run(job_id=job_id, work=WORK)
