"""Reads of tokens and of the backend services that ask for some."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Max, QuerySet

from compliance.models import ApiToken, FhirClient, User
from compliance.selectors.people import scope_for

MANAGE_CLIENTS = "compliance.manage_clients"


def personal_tokens(user: User, now: datetime) -> QuerySet[ApiToken]:
    """Return a person's own tokens that still hold, newest first."""
    return ApiToken.objects.filter(user=user, client=None, revoked_at=None, expires_at__gt=now)


def clients_for(user: User) -> QuerySet[FhirClient]:
    """Return the backend services whose accounts work on wards that the person administers."""
    wards = scope_for(user, MANAGE_CLIENTS, once_confirmed=True).ward_ids
    rows = FhirClient.objects.filter(account__care_relationships__ward_id__in=wards).distinct()
    return rows.select_related("account").annotate(last_used_at=Max("tokens__last_used_at"))
