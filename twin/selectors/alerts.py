"""Reads of alerts: what a user may see, and whom an alert addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Case, IntegerField, QuerySet, Value, When

from compliance.models import Patient, User
from compliance.policy import Role
from compliance.selectors import people_who_may_each, scope_for, within_scope
from twin.alerts.priority import Priority
from twin.models import Alert, AlertState, AlertStep, StepKind

ACKNOWLEDGE = "twin.acknowledge_alert"
VIEW = "twin.view_alert"


class Recipient(NamedTuple):
    """Somebody whom an alert addresses."""

    user_id: int
    role: Role


def alerts_for(user: User) -> QuerySet[Alert]:
    """Return the alerts that `user` may see."""
    joined = Alert.objects.select_related("patient", "patient__ward", "device", "acknowledged_by", "resolved_by")
    return within_scope(joined, scope_for(user, VIEW))


def by_urgency(alerts: QuerySet[Alert]) -> QuerySet[Alert]:
    """Sort: what nobody has taken on first, then by priority, then the newest."""
    rank = Case(*[When(priority=p.value, then=Value(p.rank)) for p in Priority], output_field=IntegerField())
    handled = Case(When(state=AlertState.OPEN, then=Value(0)), default=Value(1), output_field=IntegerField())
    return alerts.annotate(rank=rank, handled=handled).order_by("handled", "rank", "-raised_at")


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """What a list shows. Anything unknown in a URL falls back to the default, so that an old link still opens."""

    history: bool = False
    priority: Priority | None = None
    patient: UUID | None = None

    @classmethod
    def read(cls, asked: Mapping[str, str]) -> AlertFilter:
        """Return the filter in a query such as `show=history&priority=high&patient=<uuid>`."""
        try:
            patient = UUID(asked.get("patient", ""))
        except ValueError:
            patient = None
        priority = asked.get("priority", "")
        return cls(asked.get("show") == "history", Priority(priority) if priority in set(Priority) else None, patient)

    @property
    def narrowed(self) -> bool:
        """Tell whether something is left out on purpose."""
        return self.priority is not None or self.patient is not None


@dataclass(frozen=True, slots=True)
class Card:
    """An alert as shown to one person."""

    alert: Alert
    may_act: bool


def filtered(alerts: QuerySet[Alert], asked: AlertFilter) -> QuerySet[Alert]:
    """Return the alerts that a list shows, in its order."""
    if asked.priority:
        alerts = alerts.filter(priority=asked.priority)
    if asked.patient:
        alerts = alerts.filter(patient_id=asked.patient)
    return history_of(alerts) if asked.history else by_urgency(alerts.exclude(state=AlertState.RESOLVED))


def history_of(alerts: QuerySet[Alert]) -> QuerySet[Alert]:
    """Keep what is over, the newest first."""
    return alerts.filter(state=AlertState.RESOLVED).order_by("-resolved_at", "-pk")


def cards_for(user: User, alerts: Iterable[Alert]) -> list[Card]:
    """Return the alerts with whether `user` may act on each."""
    scope = scope_for(user, ACKNOWLEDGE)
    return [Card(alert, alert.unresolved and scope.covers(alert.policy_resource())) for alert in alerts]


def recipients_of(patient_ids: Iterable[UUID], at: datetime | None = None) -> dict[UUID, list[Recipient]]:
    """Return for each patient every active user who may acknowledge their alerts at `at`."""
    found = people_who_may_each(ACKNOWLEDGE, Patient.objects.filter(pk__in=set(patient_ids)), at)
    return {patient: [Recipient(user.pk, Role(user.role)) for user in users] for patient, users in found.items()}


@dataclass(slots=True)
class Proof:
    """One line of the delivery proof: when each step reached one person in one round."""

    user: User
    round: int
    raised: datetime | None = None
    sent: datetime | None = None
    shown: datetime | None = None
    escalated: datetime | None = None
    acknowledged: datetime | None = None

    @property
    def reached(self) -> bool:
        """Tell whether this person's page has shown the alert."""
        return self.shown is not None or self.acknowledged is not None


_COLUMNS = {StepKind.RAISED, StepKind.SENT, StepKind.SHOWN, StepKind.ESCALATED, StepKind.ACKNOWLEDGED}


def delivery_proof(alert: Alert) -> list[Proof]:
    """Return one line per round and person, the newest round first."""
    lines: dict[tuple[int, int], Proof] = {}
    for step in AlertStep.objects.filter(alert=alert, kind__in=_COLUMNS).select_related("user"):
        line = lines.setdefault((step.round, step.user_id), Proof(step.user, step.round))
        if getattr(line, step.kind) is None:  # several channels: the first one that got through counts
            setattr(line, step.kind, step.at)
    return sorted(lines.values(), key=lambda line: (-line.round, line.user.display_name))


def actions_on(alert: Alert) -> QuerySet[AlertStep]:
    """Return what people did, in order of time."""
    done = {StepKind.ACKNOWLEDGED, StepKind.SNOOZED, StepKind.REOPENED, StepKind.RESOLVED}
    return AlertStep.objects.filter(alert=alert, kind__in=done).select_related("user").order_by("at", "pk")
