"""What erasers share."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)


def delete_some(rows: QuerySet[M], limit: int) -> int:
    """Delete at most `limit` rows with all that hangs on them; return how many of these rows there were."""
    keys = list(rows.order_by("pk").values_list("pk", flat=True)[:limit])
    if keys:
        rows.model._default_manager.filter(pk__in=keys).delete()
    return len(keys)
