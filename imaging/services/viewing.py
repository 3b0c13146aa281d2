"""Whoever looks at an image is on record."""

from __future__ import annotations

from compliance.models import EventCategory, User
from compliance.services.events import record_error, record_event
from imaging.errors import ArchiveDamaged
from imaging.models import Instance, Series, Study
from imaging.services import archive


def record_view(*, study: Study, user: User) -> None:
    """Keep that `user` opened the study."""
    record_event(
        category=EventCategory.CLINICAL,
        code="study_viewed",
        message="A study was opened in the viewer.",
        patient=study.patient,
        ward_id=study.gateway.ward_id,
        user=user,
        detail={"study": str(study.pk)},
    )


def pixels(*, instance: Instance) -> bytes:
    """Return the deflated 16-bit pixels of an image; a damaged archive becomes an event and ArchiveDamaged."""
    return _loaded(instance.series.study, f"{instance.pk}.px")


def thumbnail(*, series: Series) -> bytes:
    """Return the PNG that stands for a series."""
    return _loaded(series.study, f"{series.pk}.png")


def _loaded(study: Study, name: str) -> bytes:
    try:
        return archive.load(study, name)
    except ArchiveDamaged as error:
        record_error(error, category=EventCategory.SECURITY, patient=study.patient, gateway_id=study.gateway_id)
        raise
