"""Images of a person: their files, their keys and their rows go together."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import Max, QuerySet

from compliance.privacy.erasers import Fate, Part, register_part
from compliance.privacy.retention import Held, Kind, register_kinds
from imaging.models import Study, Upload
from imaging.services import archive, incoming

MODELS = frozenset(f"imaging.{name}" for name in ("Study", "Series", "Instance", "ImagingJob", "Upload"))


def register() -> None:
    """Tell the registries; called once from AppConfig.ready."""
    register_part(
        Part(
            "images",
            "Images, their keys and what was found on them",
            Fate.DELETED,
            60,
            MODELS,
            _erase,
            _newest,
            "images",
        )
    )
    register_kinds([Kind("images", "Examinations with their images", _count, _remove)])


def _erase(patient_id: UUID, limit: int) -> int:
    return forget_studies(Study.objects.filter(patient_id=patient_id), limit)


def _newest(patient_id: UUID) -> datetime | None:
    newest: datetime | None = Study.objects.filter(patient_id=patient_id).aggregate(at=Max("received_at"))["at"]
    return newest


def forget_studies(rows: QuerySet[Study], limit: int) -> int:
    """Delete studies whole; return how many. Killed after the files went, the next turn deletes the rows."""
    found = list(rows.order_by("pk")[:limit])
    for study in found:
        archive.forget(study)
        incoming.forget(study.pk)
        Upload.objects.filter(pk=study.pk).delete()
        study.delete()  # and with it the wrapped key: whatever copy of a file is left anywhere opens no more
    return len(found)


def _over_age(before: datetime, held: Held) -> QuerySet[Study]:
    return Study.objects.filter(received_at__lt=before).exclude(patient_id__in=held)


def _count(before: datetime, held: Held) -> int:
    return _over_age(before, held).count()


def _remove(before: datetime, held: Held, limit: int) -> int:
    return forget_studies(_over_age(before, held), limit)
