"""A clinician asks for work on a study. Kept apart from the work itself, so that a web process imports no decoder."""

from __future__ import annotations

from django.db import transaction

from compliance.models import EventCategory, User
from compliance.services.events import record_event
from imaging.errors import StudyMalformed
from imaging.models import ImagingJob, JobKind, SeriesKind, Study, StudyState
from imaging.services import jobs

LAMDA_LOW, LAMDA_HIGH = 0.0, 1.0


@transaction.atomic
def order_reconstruction(*, study: Study, user: User, lamda: float) -> ImagingJob:
    """Ask for a new reconstruction with this regularisation; one that already waits or runs is returned as it is.

    Raises StudyMalformed for a study without k-space or a `lamda` outside 0 to 1.
    """
    if not LAMDA_LOW <= lamda <= LAMDA_HIGH:
        raise StudyMalformed(f"The regularisation lies between {LAMDA_LOW:g} and {LAMDA_HIGH:g}.")
    if not study.series.filter(kind=SeriesKind.KSPACE).exists():
        raise StudyMalformed("Only raw k-space can be reconstructed; these images came finished from the scanner.")
    record_event(
        category=EventCategory.CLINICAL,
        code="reconstruction_requested",
        message="A reconstruction was requested.",
        patient=study.patient,
        ward_id=study.gateway.ward_id,
        user=user,
        detail={"study": str(study.pk), "lamda": lamda},
    )
    job = jobs.enqueue(study=study, kind=JobKind.RECONSTRUCT, lamda=lamda)
    study.state = StudyState.RECONSTRUCTING
    study.save(update_fields=["state"])
    jobs.announce(study)
    return job
