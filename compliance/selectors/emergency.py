"""Reads of emergency accesses: one's own that are open, and those that an administrator may judge."""

from __future__ import annotations

from django.db.models import F, QuerySet
from django.utils import timezone

from compliance.models import EmergencyAccess, User
from compliance.selectors.people import scope_for, subject_of, within_scope

REVIEW = "compliance.review_break_glass"


def open_emergencies_of(user: User) -> list[EmergencyAccess]:
    """Return the records that `user` holds open now. Asked for every page: without one it costs no query."""
    if not subject_of(user).opened:
        return []
    return list(EmergencyAccess.objects.filter(user=user, ends_at__gt=timezone.now()).select_related("patient"))


def emergencies_for(user: User) -> QuerySet[EmergencyAccess]:
    """Return the emergency accesses that `user` may judge, those of others; what nobody judged comes first."""
    rows = EmergencyAccess.objects.select_related("user", "patient__ward", "reviewed_by").exclude(user=user)
    unjudged_first = F("reviewed_at").desc(nulls_first=True)
    return within_scope(rows, scope_for(user, REVIEW)).order_by(unjudged_first, "-opened_at")
