"""Reads of notices."""

from __future__ import annotations

from django.db.models import Case, Q, QuerySet, When

from compliance.models import Notice, NoticePriority, User
from compliance.selectors.people import scope_for


def open_notices_for(user: User) -> QuerySet[Notice]:
    """Return the notices that nobody sees to yet, of the wards that `user` runs and of the whole house, worst first."""
    wards = scope_for(user, "compliance.view_notices").ward_ids
    if not wards:
        return Notice.objects.none()
    found = Notice.objects.filter(Q(ward_id__isnull=True) | Q(ward_id__in=wards), taken_at__isnull=True)
    order = [When(priority=priority, then=place) for place, priority in enumerate(NoticePriority.values)]
    return found.order_by(Case(*order), "-at")
