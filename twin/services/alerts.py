"""Raise, refresh and end alerts. Stored first, told afterwards: what cannot be told now is delivered from the rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from compliance.models import Event, EventCategory, Patient, User
from compliance.services.events import record_event, record_events
from twin.alerts.escalation import REARM_S
from twin.alerts.priority import Priority
from twin.live.messages import AlertMessage
from twin.models import Alert, AlertState, AlertStep, StepKind
from twin.selectors.alerts import recipients_of
from twin.services.live import publish_alert


class Key(NamedTuple):
    """What may have one unresolved alert."""

    patient_id: UUID
    device_id: int | None
    rule: str


@dataclass(frozen=True, slots=True)
class Condition:
    """An alarm condition that holds. `event_time` is device time; `value` is in the metric's unit."""

    key: Key
    metric: str
    priority: Priority
    message: str
    event_time: datetime
    value: float | None = None


def message_of(alert: Alert) -> AlertMessage:
    """Return what browsers are told of an alert."""
    return AlertMessage(
        type="alert",
        id=alert.pk,
        patient=str(alert.patient_id),
        priority=alert.priority,
        rule=alert.rule,
        metric=alert.metric or None,
        message=alert.message,
        state=alert.state,
        raised_at=alert.raised_at.timestamp(),
        acknowledged_by=alert.acknowledged_by.display_name if alert.acknowledged_by else None,
    )


def publish(alert: Alert) -> None:
    """Tell browsers once the transaction stands. A broker that is down delays the picture, never the alert."""
    message = message_of(alert)
    transaction.on_commit(lambda: publish_alert(message))


def raise_alerts(*, conditions: Sequence[Condition], now: datetime | None = None) -> list[Alert]:
    """Store alerts for conditions that hold and return those that ask for a human anew: raised, or grown worse.

    Idempotent: an unresolved alert is refreshed, and a reading that an ended alert already covers raises none. What a
    person resolved stays quiet for `REARM_S`, unless it has grown worse.
    """
    at = now or timezone.now()
    wanted = _by_key(conditions)
    if not wanted:
        return []
    with transaction.atomic():
        there = _unresolved(wanted)
        worse = _refresh(there, wanted, at)
        quiet = _quieted(wanted.keys() - there.keys(), wanted, at)
        missing = [wanted[key] for key in wanted if key not in there and key not in quiet]
        Alert.objects.bulk_create([_new(condition, at) for condition in missing], ignore_conflicts=True)
        raised = list(_unresolved([condition.key for condition in missing]).values())
        address([*raised, *worse], at)
        record_steps([*raised, *worse], "alert_raised", "An alert asks for a human.")
        for alert in [*raised, *worse]:
            publish(alert)
    return [*raised, *worse]


def end_alerts(*, keys: Iterable[Key], reason: str) -> list[Alert]:
    """Resolve unresolved alerts because their condition is over and return them; keys without one are passed over."""
    at = timezone.now()
    with transaction.atomic():
        ended = _unresolved(keys)
        for alert in ended.values():
            alert.state, alert.resolved_at, alert.resolution = AlertState.RESOLVED, at, reason
            alert.snoozed_until = None
        Alert.objects.bulk_update(ended.values(), ["state", "resolved_at", "resolution", "snoozed_until"])
        record_steps(ended.values(), "alert_ended", "The condition of an alert is over.")
        for alert in ended.values():
            publish(alert)
    return list(ended.values())


def record_steps(alerts: Iterable[Alert], code: str, message: str, user: User | None = None) -> None:
    """Record what happened to alerts, with what rules over the log ask for; the number of queries does not grow."""
    record_events(
        [
            Event(
                category=EventCategory.CLINICAL,
                code=code,
                message=message,
                patient_id=alert.patient_id,
                ward_id=alert.patient.ward_id,
                user=user,
                device_id=alert.device_id,
                detail={"alert": alert.pk, "rule": alert.rule, "round": alert.round, "priority": alert.priority},
            )
            for alert in alerts
        ]
    )


def open_round(alert: Alert, at: datetime) -> None:
    """Let an alert ask for a human anew: a fresh round of steps, not acknowledged, not snoozed. Not saved here."""
    alert.state, alert.opened_at, alert.round = AlertState.OPEN, at, alert.round + 1
    alert.acknowledged_by = alert.acknowledged_at = alert.snoozed_until = None


ROUND_FIELDS = ["state", "opened_at", "round", "acknowledged_by", "acknowledged_at", "snoozed_until"]


def address(alerts: Sequence[Alert], at: datetime) -> None:
    """Store to whom the current round of each alert goes, or that there is nobody."""
    if not alerts:
        return
    recipients = recipients_of({alert.patient_id for alert in alerts}, at)
    AlertStep.objects.bulk_create(
        [
            AlertStep(alert=alert, user_id=person.user_id, kind=StepKind.RAISED, round=alert.round, at=at)
            for alert in alerts
            for person in recipients.get(alert.patient_id, [])
        ],
        ignore_conflicts=True,
    )
    for patient_id in {alert.patient_id for alert in alerts if not recipients.get(alert.patient_id)}:
        record_event(
            category=EventCategory.OPERATION,
            code="alert_without_recipient",
            message="An alert was raised for a patient for whom nobody may acknowledge one.",
            patient=Patient.objects.get(pk=patient_id),
            fold=True,
        )


def _by_key(conditions: Iterable[Condition]) -> dict[Key, Condition]:
    """Return one condition per key: the most urgent, and of equals the newest."""
    found: dict[Key, Condition] = {}
    for condition in conditions:
        before = found.get(condition.key)
        if before is None or not before.priority.outranks(condition.priority):
            found[condition.key] = condition
    return found


def _matching(keys: Iterable[Key]) -> Q:
    """Return a filter that keeps at least the alerts of these keys, short however many there are."""
    listed = list(keys)
    return Q(patient_id__in={key.patient_id for key in listed}, rule__in={key.rule for key in listed})


def _unresolved(keys: Iterable[Key]) -> dict[Key, Alert]:
    """Return the unresolved alerts of these keys, locked."""
    wanted = set(keys)
    rows = Alert.objects.filter(_matching(wanted)).exclude(state=AlertState.RESOLVED)
    locked = rows.select_related("acknowledged_by", "patient").select_for_update(of=("self",)).order_by("pk")
    return {key: alert for alert in locked if (key := _key(alert)) in wanted}


def _key(alert: Alert) -> Key:
    return Key(alert.patient_id, alert.device_id, alert.rule)


def _new(condition: Condition, at: datetime) -> Alert:
    patient_id, device_id, rule = condition.key
    return Alert(
        patient_id=patient_id,
        device_id=device_id,
        rule=rule,
        metric=condition.metric,
        priority=condition.priority,
        value=condition.value,
        message=condition.message,
        raised_at=at,
        opened_at=at,
        event_time=condition.event_time,
        last_seen_at=condition.event_time,
    )


def _refresh(there: dict[Key, Alert], wanted: dict[Key, Condition], at: datetime) -> list[Alert]:
    """Bring unresolved alerts up to date and return those that have grown worse: they open a new round."""
    worse = []
    for key, alert in there.items():
        condition = wanted[key]
        if condition.event_time >= alert.last_seen_at:
            alert.last_seen_at = condition.event_time
            if not Priority(alert.priority).outranks(condition.priority):  # else the words would not fit the badge
                alert.value, alert.message = condition.value, condition.message
        if condition.priority.outranks(Priority(alert.priority)):
            alert.priority = condition.priority
            open_round(alert, at)
            worse.append(alert)
    Alert.objects.bulk_update(there.values(), ["last_seen_at", "value", "message", "priority", *ROUND_FIELDS])
    return worse


def _quieted(keys: Iterable[Key], wanted: dict[Key, Condition], at: datetime) -> set[Key]:
    """Return the keys whose condition an ended alert speaks for."""
    missing = set(keys)
    if not missing:
        return set()
    recent = Alert.objects.filter(_matching(missing), state=AlertState.RESOLVED)
    earliest = min(wanted[key].event_time for key in missing)
    recent = recent.filter(Q(last_seen_at__gte=earliest) | Q(resolved_at__gte=at - timedelta(seconds=REARM_S)))
    return {key for alert in recent if (key := _key(alert)) in missing and _speaks_for(alert, wanted[key], at)}


def _speaks_for(alert: Alert, condition: Condition, at: datetime) -> bool:
    if alert.event_time <= condition.event_time <= alert.last_seen_at:
        return True  # the same reading again, after a crash
    by_hand = alert.resolved_by_id is not None and alert.resolved_at is not None
    recent = by_hand and at - alert.resolved_at < timedelta(seconds=REARM_S)  # type: ignore[operator]
    return recent and not condition.priority.outranks(Priority(alert.priority))
