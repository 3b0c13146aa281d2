"""When a study moves on, open pages of its patient fetch their images panel again."""

from __future__ import annotations

from typing import Any

from imaging.models import Study
from imaging.signals import study_changed
from twin.services.live import publish_notice


def connect() -> None:
    """Connect the handler."""
    study_changed.connect(tell_pages, dispatch_uid="imaging.tell_pages")


def tell_pages(study: Study, **_: Any) -> None:
    """Publish a notice to the pages of the study's patient."""
    if study.patient_id is not None:
        publish_notice(study.patient_id, "images")
