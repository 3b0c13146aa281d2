"""From the outbox to the receiver: in order, one at a time, until the answer is there. At least once, never lost.

A destination is held by one sender (a lease); when that one is killed, the next goes on with the message whose answer
is missing, under the same control id.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from compliance.errors import DomainError
from compliance.models import AccessRecord, EventCategory, Patient, User
from compliance.privacy.purposes import AccessPurpose
from compliance.selectors.consents import consent_allows
from compliance.services.accesses import record_access
from compliance.services.events import record_error, record_event
from devices.errors import StoreUnavailable
from devices.hl7 import Acknowledgement, Verdict
from devices.hl7.errors import MessageNotParked
from devices.hl7.link import Endpoint, Link, connected
from devices.models import HL7Destination, HL7Message, MessageState
from devices.selectors.hl7 import purpose_of
from devices.services.hl7_outbox import collect, content_of, forget_accepted

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=30)  # longer than connecting and waiting for one answer
NOTE_EVERY = timedelta(days=1)
BACKOFF_FIRST_S, BACKOFF_MOST_S = 1.0, 300.0
Stop = Callable[[], bool]


class LeaseGone(DomainError):
    """Another sender took this destination over, or it was paused."""

    code = "hl7_lease_gone"
    permanent = False


def work_on(destination_id: int, *, stop: Stop = lambda: False, now: datetime | None = None) -> int:
    """Collect for the destination if it is time, send what waits, and return how many messages were answered.

    Does nothing while another sender holds it.
    """
    token = uuid4()
    if not _take(destination_id, token):
        return 0
    try:
        destination = HL7Destination.objects.select_related("created_by").get(pk=destination_id)
        _collect_if_due(destination, now or timezone.now())
        return _send_waiting(destination, token, stop, now or timezone.now())
    except LeaseGone:
        return 0
    finally:
        HL7Destination.objects.filter(pk=destination_id, lease=token).update(lease=None, lease_until=None)


def resend(*, message: HL7Message, by: User) -> None:
    """Put a refused message back into the queue, in its old place. Raises MessageNotParked."""
    with transaction.atomic():
        parked = HL7Message.objects.filter(pk=message.pk, state=MessageState.PARKED)
        if not parked.update(state=MessageState.WAITING, answer="", reason="", answered_at=None):
            raise MessageNotParked
        record_event(
            category=EventCategory.OPERATION,
            code="hl7_message_requeued",
            message="A refused HL7 message is sent again.",
            patient=message.patient,
            user=by,
            detail={"destination": message.destination_id, "message": message.control_id},
        )


def endpoint_of(destination: HL7Destination) -> Endpoint:
    """Return where and how to connect."""
    name = destination.client_certificate
    folder = Path(settings.HL7_CERTIFICATES_DIR)
    return Endpoint(
        host=destination.host,
        port=destination.port,
        authority_pem=destination.authority,
        certificate=folder / f"{name}.crt" if name else None,
        key=folder / f"{name}.key" if name else None,
    )


def _take(destination_id: int, token: UUID) -> bool:
    """Lease the destination in one statement, which only one sender can win."""
    now = timezone.now()
    free = Q(lease__isnull=True) | Q(lease_until__lte=now)
    found = HL7Destination.objects.filter(free, pk=destination_id, enabled=True)
    return bool(found.update(lease=token, lease_until=now + LEASE))


def _keep(destination: HL7Destination, token: UUID) -> None:
    held = HL7Destination.objects.filter(pk=destination.pk, lease=token, enabled=True)
    if not held.update(lease_until=timezone.now() + LEASE):
        raise LeaseGone


def _collect_if_due(destination: HL7Destination, now: datetime) -> None:
    last = destination.collected_at
    if last is not None and now - last < timedelta(seconds=destination.period_s):
        return
    try:
        collect(destination=destination, now=now)
        forget_accepted(destination=destination, now=now)
    except StoreUnavailable as error:
        log.warning("nothing collected for HL7 destination %s: %s", destination.pk, error.code)


def _send_waiting(destination: HL7Destination, token: UUID, stop: Stop, now: datetime) -> int:
    if destination.retry_at is not None and destination.retry_at > now:
        return 0
    waiting = HL7Message.objects.filter(destination=destination, state=MessageState.WAITING)
    if not waiting.exists():
        return 0
    answered = 0
    try:
        with connected(endpoint_of(destination)) as link:
            while not stop() and (message := waiting.select_related("patient").first()) is not None:
                _keep(destination, token)
                if not consent_allows(message.patient_id, purpose_of(destination)):
                    _withhold(message)
                    continue
                _send(link, destination, message)
                answered += 1
    except LeaseGone:
        raise
    except DomainError as error:
        _note_failure(destination, error)
    return answered


def _send(link: Link, destination: HL7Destination, message: HL7Message) -> None:
    HL7Message.objects.filter(pk=message.pk).update(attempts=F("attempts") + 1)
    _note_disclosure(destination, message.patient)  # before it leaves: an account may say too much, never too little
    _settle(message, link.exchange(content_of(message), message.control_id))


def _withhold(message: HL7Message) -> None:
    """Drop a message whose patient has withdrawn the consent since it was made."""
    with transaction.atomic():
        record_event(
            category=EventCategory.SECURITY,
            code="hl7_message_withheld",
            message="An HL7 message was not sent: the patient's consent ended.",
            patient=message.patient,
            detail={"destination": message.destination_id, "message": message.control_id},
        )
        message.delete()


def _note_disclosure(destination: HL7Destination, patient: Patient) -> None:
    """Note once a day under whoever set the destination up that it is told of this patient."""
    teller, what = destination.created_by, f"hl7_{destination.pk}"
    day = timezone.now() - NOTE_EVERY
    if AccessRecord.objects.filter(patient=patient, what=what, at__gt=day).exists():
        return
    outside = destination.shares_outside
    purpose = AccessPurpose.SHARE_EXTERNAL if outside else AccessPurpose.TREATMENT
    record_access(user=teller, patient=patient, what=what, purpose=purpose)


def _settle(message: HL7Message, answer: Acknowledgement) -> None:
    """Note the answer: the content of an accepted message is dropped, a refused one is parked and holds nobody up."""
    accepted = answer.verdict is Verdict.ACCEPTED
    now = timezone.now()
    with transaction.atomic():
        changes: dict[str, object] = {"answer": answer.verdict.value, "reason": answer.reason[:240], "answered_at": now}
        if accepted:
            changes |= {"state": MessageState.ACCEPTED, "content_sealed": b""}
        else:
            changes["state"] = MessageState.PARKED
        HL7Message.objects.filter(pk=message.pk).update(**changes)
        HL7Destination.objects.filter(pk=message.destination_id).update(
            acked_at=now, failures=0, retry_at=None, problem=""
        )
        if not accepted:
            # The receiver's own words may name the patient: they stay with the message and out of the event.
            record_event(
                category=EventCategory.OPERATION,
                code="hl7_message_refused",
                message="An HL7 receiver refused a message; it is parked until somebody looks.",
                patient=message.patient,
                detail={
                    "destination": message.destination_id,
                    "message": message.control_id,
                    "answer": answer.verdict.value,
                },
            )


def _note_failure(destination: HL7Destination, error: DomainError) -> None:
    """Wait before the next try, longer each time; only the first failure in a row is an event."""
    failures = HL7Destination.objects.values_list("failures", flat=True).get(pk=destination.pk) + 1
    wait_s = min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2.0 ** min(failures - 1, 12)) * random.uniform(0.7, 1.0)  # noqa: S311
    with transaction.atomic():
        HL7Destination.objects.filter(pk=destination.pk).update(
            failures=failures, retry_at=timezone.now() + timedelta(seconds=wait_s), problem=error.message[:240]
        )
        if failures == 1:
            record_error(error, category=EventCategory.OPERATION, detail={"destination": destination.pk})
