"""From what changed to the outbox: notices, together with the move of the mark up to which changes were read.

The mark runs behind: a transaction that began before it may commit after it, so that the last minute is read again, and
a version that is on the list already is not listed twice.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from compliance.errors import DomainError
from compliance.fhir.access import Access
from compliance.fhir.authentication import withheld_from
from compliance.fhir.entries import Entry
from compliance.fhir.errors import Forbidden
from compliance.fhir.hooks.address import parse_endpoint
from compliance.fhir.hooks.reading import read_criteria, require_rights
from compliance.fhir.query import read_query
from compliance.fhir.registry import Asked, registered
from compliance.fhir.scopes import parse_scope
from compliance.models import Subscription, SubscriptionNotice, SubscriptionNoticeState
from compliance.privacy.purposes import Purpose
from compliance.selectors.consents import refusing_patients

READ_AGAIN = timedelta(seconds=60)
SETTLE = timedelta(seconds=3)  # the second pressure of a pair comes a moment after the first
MOST_AT_ONCE, MOST_WAITING = 1000, 2000
KEEP_SENT, KEEP_PARKED = timedelta(days=1), timedelta(days=30)


class RightEnded(DomainError):
    """The right to this subscription ended."""

    code = "subscription_right_ended"


class CriteriaTooWide(DomainError):
    """The criteria match more at once than can be told: narrow them and ask anew."""

    code = "subscription_too_wide"


def is_outside(row: Subscription, inside: frozenset[str]) -> bool:
    """Tell whether telling carries records out of the house."""
    shares = row.client is not None and row.client.shares_outside
    return shares or parse_endpoint(row.endpoint, plain_too=True).host not in inside


def access_of(row: Subscription, inside: frozenset[str], now: datetime) -> Access:
    """Return the access of the owner as it stands now. Raises RightEnded."""
    held = row.client.revoked_at is None if row.client is not None else _holds(row, now)
    if not held or not row.owner.is_active:
        raise RightEnded
    access = Access(
        user=row.owner,
        scopes=tuple(parse_scope(word) for word in row.scopes.split()),
        now=now,
        base=row.base,
        token_id=row.token_id,
        patient_id=row.patient_id,
        withheld=refusing_patients(Purpose.SHARE_EXTERNAL) if is_outside(row, inside) else withheld_from(row.token),
    )
    try:
        require_rights(access, registered()[row.type])
    except Forbidden as error:
        raise RightEnded from error
    return access


def _holds(row: Subscription, now: datetime) -> bool:
    return row.token is not None and row.token.revoked_at is None and row.token.expires_at > now


def collect(row: Subscription, access: Access) -> int:
    """List what changed since the last time and return how much. Raises CriteriaTooWide, or what the search does."""
    waiting = SubscriptionNotice.objects.filter(subscription=row, state=SubscriptionNoticeState.WAITING).count()
    until = access.now - SETTLE
    if waiting >= MOST_WAITING or until <= row.collected_to:
        return 0
    notices = [_notice(row, entry) for entry in _changed(row, access, until)]
    known = set(
        SubscriptionNotice.objects.filter(
            subscription=row, fhir_id__in=[notice.fhir_id for notice in notices]
        ).values_list("fhir_id", "version")
    )
    fresh = [notice for notice in notices if (notice.fhir_id, notice.version) not in known]
    with transaction.atomic():
        SubscriptionNotice.objects.bulk_create(fresh, ignore_conflicts=True)
        Subscription.objects.filter(pk=row.pk).update(collected_to=until)
    return len(fresh)


def _changed(row: Subscription, access: Access, until: datetime) -> list[Entry]:
    """Return what changed and matches, in the order in which it changed."""
    kind, criteria = read_criteria(access, row.criteria)
    since = max(row.collected_to - READ_AGAIN, row.starts_at)
    pairs = [("_lastUpdated", f"gt{since.isoformat()}"), ("_lastUpdated", f"le{until.isoformat()}")]
    if kind.looked_back is not None:
        pairs.append(("date", f"ge{(since - kind.looked_back).isoformat()}"))
    criteria += read_query(kind, pairs, base=f"{access.base}/", strict=True).criteria
    entries = kind.find(access, Asked(criteria, (), MOST_AT_ONCE + 1, None, access.now)).entries
    if len(entries) > MOST_AT_ONCE:
        raise CriteriaTooWide
    return sorted(entries, key=lambda entry: (entry.updated_at or until, entry.id))


def _notice(row: Subscription, entry: Entry) -> SubscriptionNotice:
    return SubscriptionNotice(
        subscription=row,
        patient_id=entry.patient_id,
        fhir_id=entry.id,
        version=entry.version,
        resource_at=entry.updated_at or timezone.now(),
    )


def forget(row: Subscription, now: datetime) -> None:
    """Delete notices that were taken a day ago, or given up a month ago."""
    old = SubscriptionNotice.objects.filter(subscription=row)
    for state, kept in ((SubscriptionNoticeState.SENT, KEEP_SENT), (SubscriptionNoticeState.PARKED, KEEP_PARKED)):
        gone = old.filter(state=state, settled_at__lt=now - kept)
        SubscriptionNotice.objects.filter(pk__in=list(gone.values_list("pk", flat=True)[:1000])).delete()
