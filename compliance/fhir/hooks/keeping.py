"""Make, change, switch off and remove subscriptions; put a notice that was given up back into the line."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from compliance.errors import DomainError
from compliance.fhir.access import Access
from compliance.fhir.hooks.reading import Wish, headers_of, require_own_token, seal_headers
from compliance.models import (
    ApiToken,
    EventCategory,
    Subscription,
    SubscriptionNotice,
    SubscriptionNoticeState,
    SubscriptionState,
    User,
)
from compliance.services.events import record_event

MOST_PER_OWNER = 20


class TooManySubscriptions(DomainError):
    """There are as many subscriptions as one account may have: remove one first."""

    code = "subscription_too_many"
    http_status = 409


class NoticeNotParked(DomainError):
    """This notice was not given up, or its subscription is off: there is nothing to send again."""

    code = "subscription_notice_not_parked"
    http_status = 409


def subscribe(access: Access, wish: Wish) -> Subscription:
    """Store a new subscription. Raises TooManySubscriptions."""
    User.objects.select_for_update().get(pk=access.user.pk)  # two requests at once are counted one after the other
    if Subscription.objects.filter(owner=access.user).count() >= MOST_PER_OWNER:
        raise TooManySubscriptions
    token = ApiToken.objects.select_related("client").get(pk=require_own_token(access))
    row = Subscription(
        owner=access.user,
        token=None if token.client_id is not None else token,
        client=token.client,
        patient_id=access.patient_id,
        scopes=" ".join(str(scope) for scope in access.scopes or ()),
        base=access.base,
        created_at=access.now,
    )
    _fill(row, wish, access.now)
    row.save(force_insert=True)
    note(row, "subscription_made", "A FHIR subscription was made.", access.user)
    return row


def change(access: Access, row: Subscription, wish: Wish) -> Subscription:
    """Store what a client changed. Requested anew, it begins anew; what waited is told no more where it was off."""
    _fill(row, wish, access.now, restart=wish.restart and row.state != SubscriptionState.REQUESTED)
    if wish.off:
        row.state, row.error = SubscriptionState.OFF, ""
    row.save()
    note(row, "subscription_changed", "A FHIR subscription was changed.", access.user)
    return row


def _fill(row: Subscription, wish: Wish, now: datetime, *, restart: bool = True) -> None:
    stored = headers_of(row)
    row.type, row.criteria, row.reason = wish.kind.name, wish.criteria, wish.reason
    row.endpoint, row.payload, row.ends_at = wish.endpoint, wish.payload, wish.ends_at
    row.headers_sealed = seal_headers(
        {name: stored[name] if value is None else value for name, value in wish.headers.items()}
    )
    row.changed_at = now
    if restart:
        row.state, row.error, row.failures = SubscriptionState.REQUESTED, "", 0
        row.failing_since = row.retry_at = None
        row.starts_at = row.collected_to = now


def remove(row: Subscription, by: User) -> None:
    """Delete a subscription with everything that waits for it."""
    with transaction.atomic():
        note(row, "subscription_removed", "A FHIR subscription was removed.", by)
        row.delete()


def switch_off(row: Subscription, why: str, by: User | None = None) -> None:
    """End telling; what waits is given up, and can be seen. Nothing happens to one that is off already."""
    now = timezone.now()
    with transaction.atomic():
        standing = Subscription.objects.filter(pk=row.pk).exclude(state=SubscriptionState.OFF)
        if standing.update(state=SubscriptionState.OFF, error=why[:240], changed_at=now, lease=None, lease_until=None):
            SubscriptionNotice.objects.filter(subscription=row, state=SubscriptionNoticeState.WAITING).update(
                state=SubscriptionNoticeState.PARKED, settled_at=now, reason="The subscription was switched off."
            )
            note(row, "subscription_off", "A FHIR subscription was switched off.", by, why=why)


def send_again(notice: SubscriptionNotice, by: User) -> None:
    """Put a notice that was given up back into its old place in the line. Raises NoticeNotParked."""
    with transaction.atomic():
        parked = SubscriptionNotice.objects.filter(pk=notice.pk, state=SubscriptionNoticeState.PARKED)
        waits = parked.exclude(subscription__state=SubscriptionState.OFF)
        if not SubscriptionNotice.objects.filter(pk__in=list(waits.values_list("pk", flat=True))).update(
            state=SubscriptionNoticeState.WAITING, attempts=0, settled_at=None, answer=None, reason=""
        ):
            raise NoticeNotParked
        note(notice.subscription, "subscription_notice_requeued", "A FHIR notification is sent again.", by)


def note(row: Subscription, code: str, message: str, by: User | None, **detail: object) -> None:
    """Record an act. The address stays out: a path may be a secret."""
    record_event(
        category=EventCategory.SECURITY,
        code=code,
        message=message,
        user=by or row.owner,
        detail={"subscription": str(row.pk), "type": row.type, "payload": row.payload, **detail},
    )
