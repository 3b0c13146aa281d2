"""What people do with an alert: acknowledge, snooze, resolve, take back. Each act is a step, an event and a message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from compliance.errors import NotFound, NotPermitted
from compliance.models import User
from twin.alerts.escalation import SNOOZE_S
from twin.errors import TwinError
from twin.models import Alert, AlertState, AlertStep, StepKind
from twin.selectors.alerts import ACKNOWLEDGE
from twin.services.alerts import ROUND_FIELDS, address, open_round, publish, record_steps

REASON_MAX = 200


class AlertNotInState(TwinError):
    """Somebody or something was faster: the alert is in another state now."""

    code = "alert_not_in_state"
    http_status = 409


class ReasonMissing(TwinError):
    """Say why the alert is resolved: one short sentence for those who come after you."""

    code = "reason_missing"


def acknowledge(*, alert_id: int, user: User) -> Alert:
    """Take an alert on. Doing so twice, or after a colleague, changes nothing.

    Raises NotFound, NotPermitted, or AlertNotInState when it is resolved.
    """
    with _acting(alert_id, user) as alert:
        _refuse_resolved(alert)
        if alert.state == AlertState.ACKNOWLEDGED:
            return alert
        alert.state, alert.snoozed_until = AlertState.ACKNOWLEDGED, None
        alert.acknowledged_by, alert.acknowledged_at = user, timezone.now()
        _done(alert, user, StepKind.ACKNOWLEDGED, "An alert was acknowledged.")
    return alert


def snooze(*, alert_id: int, user: User, seconds: float = SNOOZE_S) -> Alert:
    """Take an alert on for a while; it asks again when the time has run out and the condition still holds."""
    with _acting(alert_id, user) as alert:
        _refuse_resolved(alert)
        alert.state, alert.snoozed_until = AlertState.SNOOZED, timezone.now() + timedelta(seconds=seconds)
        alert.acknowledged_by, alert.acknowledged_at = user, timezone.now()
        _done(alert, user, StepKind.SNOOZED, "An alert was snoozed.")
    return alert


def resolve(*, alert_id: int, user: User, reason: str) -> Alert:
    """End an alert by hand. Raises ReasonMissing without a reason."""
    text = " ".join(reason.replace("\0", " ").split())[:REASON_MAX]  # PostgreSQL stores no NUL
    with _acting(alert_id, user) as alert:  # first: who may not see the alert learns nothing about it
        if not text:
            raise ReasonMissing
        _refuse_resolved(alert)
        alert.state, alert.snoozed_until = AlertState.RESOLVED, None
        alert.resolved_at, alert.resolved_by, alert.resolution = timezone.now(), user, text
        _done(alert, user, StepKind.RESOLVED, "An alert was resolved by hand.")
    return alert


def reopen(*, alert_id: int, user: User) -> Alert:
    """Take back an acknowledgement or a snooze: the alert asks for a human again, in a new round."""
    with _acting(alert_id, user) as alert:
        _refuse_resolved(alert)
        if alert.state == AlertState.OPEN:
            return alert
        open_round(alert, timezone.now())
        address([alert], alert.opened_at)
        _done(alert, user, StepKind.REOPENED, "An acknowledgement was taken back.")
    return alert


@contextmanager
def _acting(alert_id: int, user: User) -> Iterator[Alert]:
    """Lock the alert for one act of a person who may act on it."""
    with transaction.atomic():
        found = Alert.objects.select_related("patient", "acknowledged_by").select_for_update(of=("self",))
        alert = found.filter(pk=alert_id).first()
        if alert is None or not user.has_perm("twin.view_alert", alert):
            raise NotFound
        if not user.has_perm(ACKNOWLEDGE, alert):
            raise NotPermitted
        yield alert


def _refuse_resolved(alert: Alert) -> None:
    if alert.state == AlertState.RESOLVED:
        raise AlertNotInState("This alert is already resolved.")


def _done(alert: Alert, user: User, kind: StepKind, message: str) -> None:
    alert.save(update_fields=[*ROUND_FIELDS, "resolved_at", "resolved_by", "resolution"])
    AlertStep.objects.get_or_create(alert=alert, user=user, kind=kind, round=alert.round)
    record_steps([alert], f"alert_{kind}", message, user)
    publish(alert)
