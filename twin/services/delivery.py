"""The way of an alert to people: proven step by step, tried again until seen, escalated when nobody acts.

Everything is driven by rows. A lost message to a browser costs seconds, because the next pass of `deliver_alerts` finds
the alert not shown and sends it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from compliance.errors import NotFound
from compliance.models import EventCategory, User
from compliance.services.events import record_event
from twin.alerts.escalation import REPUBLISH_AFTER_S, due_roles
from twin.alerts.priority import Priority
from twin.models import Alert, AlertState, AlertStep, Channel, StepKind
from twin.selectors.alerts import alerts_for, by_urgency, recipients_of
from twin.services.alerts import ROUND_FIELDS, address, open_round, publish

AT_ONCE = 100  # alerts told again per pass, the most urgent first; a page that opens reads them all anyway


def mark_sent(*, alert_id: int, user_ids: Iterable[int], channel: Channel = Channel.BROWSER) -> int:
    """Note that an alert was handed to a connection of these people; return how many were new. Safe to repeat."""
    return _mark(StepKind.SENT, alert_id, user_ids, channel)


def mark_shown(*, alert_id: int, user: User, channel: Channel = Channel.BROWSER) -> bool:
    """Note that the alert is on this person's screen; tell whether that was new.

    Raises NotFound when the person may not see it.
    """
    if not alerts_for(user).filter(pk=alert_id).exists():
        raise NotFound
    return bool(_mark(StepKind.SHOWN, alert_id, [user.pk], channel))


def _mark(kind: StepKind, alert_id: int, user_ids: Iterable[int], channel: Channel) -> int:
    alert = Alert.objects.filter(pk=alert_id).only("pk", "round").first()
    if alert is None:
        return 0
    steps = AlertStep.objects.filter(alert=alert, round=alert.round, kind=kind, channel=channel)
    there = set(steps.values_list("user_id", flat=True))
    fresh = [user_id for user_id in dict.fromkeys(user_ids) if user_id not in there]
    AlertStep.objects.bulk_create(
        [AlertStep(alert=alert, user_id=u, kind=kind, round=alert.round, channel=channel) for u in fresh],
        ignore_conflicts=True,
    )
    return len(fresh)


def deliver_alerts(*, now: datetime | None = None) -> int:
    """Send again what nobody has seen and escalate what nobody has taken on; return how many alerts were told anew."""
    at = now or timezone.now()
    wake_snoozed(now=at)
    shown = AlertStep.objects.filter(alert=OuterRef("pk"), round=OuterRef("round"), kind=StepKind.SHOWN)
    waiting = Alert.objects.filter(state=AlertState.OPEN, opened_at__lte=at - timedelta(seconds=REPUBLISH_AFTER_S))
    alerts = list(by_urgency(waiting.select_related("patient").annotate(seen=Exists(shown))))
    escalated = {alert.pk for alert in _escalate(alerts, at)}
    told = [alert for alert in alerts if alert.pk in escalated or not alert.seen][:AT_ONCE]  # type: ignore[attr-defined]
    for alert in told:
        publish(alert)
    return len(told)


def _escalate(alerts: Sequence[Alert], at: datetime) -> list[Alert]:
    """Address the people on every rung that is due, once per round; return the alerts that climbed."""
    due = {alert.pk: due_roles(Priority(alert.priority), (at - alert.opened_at).total_seconds()) for alert in alerts}
    climbing = [alert for alert in alerts if due[alert.pk]]
    recipients = recipients_of({alert.patient_id for alert in climbing}, at)
    steps = AlertStep.objects.filter(alert__in=climbing, kind=StepKind.ESCALATED)
    done = set(steps.values_list("alert_id", "round", "user_id"))
    climbed = []
    for alert in climbing:
        called = [p.user_id for p in recipients.get(alert.patient_id, []) if p.role in due[alert.pk]]
        fresh = [user_id for user_id in called if (alert.pk, alert.round, user_id) not in done]
        if fresh:
            _call(alert, fresh, at)
            climbed.append(alert)
    return climbed


def _call(alert: Alert, user_ids: Sequence[int], at: datetime) -> None:
    with transaction.atomic():
        AlertStep.objects.bulk_create(
            [AlertStep(alert=alert, user_id=u, kind=StepKind.ESCALATED, round=alert.round, at=at) for u in user_ids],
            ignore_conflicts=True,
        )
        record_event(
            category=EventCategory.CLINICAL,
            code="alert_escalated",
            message="An alarm had no answer yet: more people were called.",
            patient=alert.patient,
            device_id=alert.device_id,
            detail={"alert": alert.pk, "round": alert.round, "called": len(user_ids)},
        )


def wake_snoozed(*, now: datetime | None = None) -> list[Alert]:
    """Open every alert whose snooze has run out, as a new round, and return them."""
    at = now or timezone.now()
    with transaction.atomic():
        asleep = Alert.objects.filter(state=AlertState.SNOOZED, snoozed_until__lte=at)
        woken = list(asleep.select_related("patient").select_for_update(of=("self",)).order_by("pk"))
        for alert in woken:
            open_round(alert, at)
        Alert.objects.bulk_update(woken, ROUND_FIELDS)
        address(woken, at)
        for alert in woken:
            publish(alert)
    return woken
