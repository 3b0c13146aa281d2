"""From the outbox to the receiver: in order, one at a time, until it answers. At least once, never lost.

A subscription is held by one worker (a lease); when that one is killed, the next goes on with the notice whose answer
is missing. What is sent is read at that moment with the owner's rights: a right that ended ends the subscription, and a
patient who left them is not told of.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from compliance.errors import DomainError
from compliance.fhir.access import Access
from compliance.fhir.entries import Entry
from compliance.fhir.errors import FhirError, Forbidden
from compliance.fhir.hooks.address import EndpointRefused, EndpointUnreachable, parse_endpoint
from compliance.fhir.hooks.collecting import (
    CriteriaTooWide,
    RightEnded,
    access_of,
    collect,
    forget,
    is_outside,
)
from compliance.fhir.hooks.keeping import note, switch_off
from compliance.fhir.hooks.reading import FHIR_JSON, headers_of
from compliance.fhir.hooks.sending import LARGEST_BODY, Notification, send
from compliance.fhir.parameters import as_utc
from compliance.fhir.registry import registered
from compliance.models import (
    Patient,
    Payload,
    Subscription,
    SubscriptionNotice,
    SubscriptionNoticeState,
    SubscriptionState,
)
from compliance.policy.asking import asking
from compliance.privacy.purposes import AccessPurpose
from compliance.services.accesses import record_access

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=60)  # longer than resolving, connecting and waiting for one answer
BACKOFF_FIRST_S, BACKOFF_MOST_S = 1.0, 300.0
MOST_TRIES = 8  # of one notice that the receiver answers with an error of its own
OFF_AFTER = timedelta(hours=24)  # without any answer
WORK_FOR = timedelta(seconds=40)  # then others get the worker
Stop = Callable[[], bool]


class LeaseGone(DomainError):
    """Another worker took this subscription over, or it was switched off."""

    code = "subscription_lease_gone"
    permanent = False


def due(now: datetime) -> list[UUID]:
    """Return the subscriptions that nobody works on."""
    free = Q(lease__isnull=True) | Q(lease_until__lte=now)
    rows = Subscription.objects.filter(free).exclude(state=SubscriptionState.OFF)
    return list(rows.values_list("pk", flat=True))


def work_on(subscription_id: UUID, *, stop: Stop = lambda: False) -> int:
    """List what changed, send what waits, and return how many notices were taken. Nothing while another holds it."""
    token = uuid4()
    if not _take(subscription_id, token):
        return 0
    row = Subscription.objects.select_related("owner", "token__client", "client").get(pk=subscription_id)
    try:
        return _work(row, token, stop)
    except LeaseGone:
        return 0
    except (RightEnded, CriteriaTooWide, Forbidden) as error:
        switch_off(row, error.message)
        return 0
    finally:
        Subscription.objects.filter(pk=subscription_id, lease=token).update(lease=None, lease_until=None)


def _work(row: Subscription, token: UUID, stop: Stop) -> int:
    now = timezone.now()
    if row.ends_at is not None and row.ends_at <= now:
        switch_off(row, "It reached its end.")
        return 0
    with asking(fresh=_proved):
        access = access_of(row, _inside(), now)
        try:
            collect(row, access)
        except FhirError as error:
            if isinstance(error, Forbidden):
                raise
            switch_off(row, f"Its criteria are no search any more: {error.message}")
            return 0
    forget(row, now)
    Subscription.objects.filter(pk=row.pk, state=SubscriptionState.REQUESTED).update(
        state=SubscriptionState.ACTIVE, changed_at=now
    )
    return 0 if row.retry_at is not None and row.retry_at > now else _send_waiting(row, token, stop)


def _proved() -> bool:
    """The owner proved who they are when they subscribed."""
    return True


def _inside() -> frozenset[str]:
    return frozenset(settings.FHIR_HOOK_HOSTS)


def _take(subscription_id: UUID, token: UUID) -> bool:
    """Lease the subscription in one statement, which only one worker can win."""
    now = timezone.now()
    free = Q(lease__isnull=True) | Q(lease_until__lte=now)
    found = Subscription.objects.filter(free, pk=subscription_id).exclude(state=SubscriptionState.OFF)
    return bool(found.update(lease=token, lease_until=now + LEASE))


def _keep(row: Subscription, token: UUID) -> None:
    held = Subscription.objects.filter(pk=row.pk, lease=token).exclude(state=SubscriptionState.OFF)
    if not held.update(lease_until=timezone.now() + LEASE):
        raise LeaseGone


def _send_waiting(row: Subscription, token: UUID, stop: Stop) -> int:
    waiting = SubscriptionNotice.objects.filter(subscription=row, state=SubscriptionNoticeState.WAITING)
    taken, until = 0, timezone.now() + WORK_FOR
    while not stop() and timezone.now() < until and (notice := waiting.first()) is not None:
        _keep(row, token)
        if not _tell(row, notice):
            break
        taken += 1
    return taken


def _tell(row: Subscription, notice: SubscriptionNotice) -> bool:
    """Send one notice; return False when the line has to wait. Raises RightEnded."""
    with asking(fresh=_proved):
        access = access_of(row, _inside(), timezone.now())
        entry = _read(row, notice, access)
    if entry is None:
        _drop(row, notice)
        return True
    notification = _notification(row, entry)
    if len(notification.body) > LARGEST_BODY:
        _park(row, notice, None, "The resource is larger than a notification may be.")
        return True
    SubscriptionNotice.objects.filter(pk=notice.pk).update(attempts=F("attempts") + 1)
    _note_disclosure(row, entry)  # before it leaves: an account may say too much, never too little
    try:
        endpoint = parse_endpoint(row.endpoint, plain_too=settings.DEMO)
        status, retry_after = send(endpoint, notification, inside=_inside())
    except (EndpointRefused, EndpointUnreachable) as error:
        return _not_reached(row, error.message)
    return _answered(row, notice, status, retry_after)


def _read(row: Subscription, notice: SubscriptionNotice, access: Access) -> Entry | None:
    """Return the resource as the owner may see it now; None when it is gone, or out of the owner's sight."""
    found = registered()[row.type].read_many(access, [notice.fhir_id], "s")
    return found[0] if found else None


def _notification(row: Subscription, entry: Entry) -> Notification:
    headers = headers_of(row)
    if row.payload == Payload.FULL:
        body = json.dumps(entry.full(), ensure_ascii=False).encode()
        return Notification("PUT", f"/{entry.reference}", headers | {"Content-Type": FHIR_JSON}, body)
    if row.payload == Payload.ID_ONLY:
        body = json.dumps(_bundle(row, entry)).encode()
        return Notification("POST", "", headers | {"Content-Type": FHIR_JSON}, body)
    return Notification("POST", "", headers, b"")


def _bundle(row: Subscription, entry: Entry) -> dict[str, object]:
    """Return which resource changed, without what it says."""
    moment = {"lastModified": as_utc(entry.updated_at)} if entry.updated_at else {}
    one = {
        "fullUrl": f"{row.base}/{entry.reference}",
        "request": {"method": "PUT", "url": entry.reference},
        "response": {"status": "200", "etag": f'W/"{entry.version}"', **moment},
    }
    return {"resourceType": "Bundle", "type": "history", "total": 1, "entry": [one]}


def _note_disclosure(row: Subscription, entry: Entry) -> None:
    """Note once a day under the owner that this patient's record is told."""
    patient = Patient.objects.filter(pk=entry.patient_id).first() if entry.patient_id is not None else None
    purpose = AccessPurpose.SHARE_EXTERNAL if is_outside(row, _inside()) else None
    record_access(user=row.owner, patient=patient, what="subscription", purpose=purpose)


def _answered(row: Subscription, notice: SubscriptionNotice, status: int, retry_after: str) -> bool:
    if 200 <= status < 300:
        _taken(row, notice, status)
        return True
    if status == 410:
        switch_off(row, "The receiver says that it is gone (410).")
        return False
    if status in {408, 425, 429} or status >= 500:
        if status not in {408, 425, 429} and notice.attempts + 1 >= MOST_TRIES:
            _park(row, notice, status, f"The receiver failed at it {MOST_TRIES} times.")
            return True
        return _not_reached(row, f"The receiver answered {status}.", retry_after)
    redirected = 300 <= status < 400
    _park(row, notice, status, "Redirects are not followed." if redirected else "The receiver refused it.")
    return True


def _taken(row: Subscription, notice: SubscriptionNotice, status: int) -> None:
    now = timezone.now()
    with transaction.atomic():
        SubscriptionNotice.objects.filter(pk=notice.pk).update(
            state=SubscriptionNoticeState.SENT, settled_at=now, answer=status, reason=""
        )
        _is_well(row, now, delivered=True)


def _is_well(row: Subscription, now: datetime, *, delivered: bool) -> None:
    """Note that the receiver answers; a subscription that was in error is active again."""
    mine = Subscription.objects.filter(pk=row.pk)
    mine.filter(state=SubscriptionState.ERROR).update(state=SubscriptionState.ACTIVE, changed_at=now, error="")
    changes = {"delivered_at": now} if delivered else {}
    mine.update(failures=0, failing_since=None, retry_at=None, **changes)


def _park(row: Subscription, notice: SubscriptionNotice, status: int | None, reason: str) -> None:
    """Give a notice up, where people see it, so that it holds nobody up."""
    now = timezone.now()
    with transaction.atomic():
        SubscriptionNotice.objects.filter(pk=notice.pk).update(
            state=SubscriptionNoticeState.PARKED, settled_at=now, answer=status, reason=reason
        )
        _is_well(row, now, delivered=False)
        note(row, "subscription_notice_parked", "A FHIR notification was given up.", None, answer=status)


def _drop(row: Subscription, notice: SubscriptionNotice) -> None:
    """Tell nothing of what the owner may not see any more."""
    with transaction.atomic():
        note(row, "subscription_notice_withheld", "A FHIR notification was not sent: it is out of sight.", None)
        notice.delete()


def _not_reached(row: Subscription, problem: str, retry_after: str = "") -> bool:
    """Wait before the next try, longer each time; after a day without an answer, give up. Returns False."""
    now = timezone.now()
    failures = Subscription.objects.values_list("failures", flat=True).get(pk=row.pk) + 1
    since = Subscription.objects.values_list("failing_since", flat=True).get(pk=row.pk) or now
    if now - since > OFF_AFTER:
        switch_off(row, f"Nothing was taken for a day. {problem}")
        return False
    wait_s = min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2.0 ** min(failures - 1, 12)) * random.uniform(0.7, 1.0)  # noqa: S311
    if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 6:
        wait_s = max(wait_s, min(float(retry_after), BACKOFF_MOST_S))
    with transaction.atomic():
        mine = Subscription.objects.filter(pk=row.pk).exclude(state=SubscriptionState.OFF)
        mine.exclude(state=SubscriptionState.ERROR, error=problem).update(
            state=SubscriptionState.ERROR, error=problem[:240], changed_at=now
        )
        mine.update(failures=failures, failing_since=since, retry_at=now + timedelta(seconds=wait_s))
        if failures == 1:
            note(row, "subscription_not_reached", "A FHIR subscriber cannot be reached.", None)
    return False
