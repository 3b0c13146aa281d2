"""What of this package can be named on the page of the policy: studies."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q

from compliance.policy.finders import Finder, register_finders
from imaging.models import Study


def register() -> None:
    """Tell the registry; called once from AppConfig.ready."""
    register_finders(
        [
            Finder(
                "study",
                lambda: Study.objects.select_related("patient__ward", "gateway__ward"),
                title=lambda study: f"Images {str(study.pk)[:8]}, received {study.received_at:%Y-%m-%d %H:%M}",
                called=_called,
                ward_field="gateway__ward_id",
            )
        ]
    )


def _called(text: str) -> Q:
    found = Q(study_uid=text)
    try:
        return found | Q(pk=UUID(text))
    except ValueError:
        return found
