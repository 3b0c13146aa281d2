"""Which limit raised an alarm: the rule, its bound, and who set it, as it held when the alarm was raised."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.urls import reverse

from compliance.models import Event, User
from devices.kinds.registry import by_key
from twin.alerts.limits import Limit, Side
from twin.models import Alert, AlertLimit
from twin.selectors.evidence import Fact
from twin.selectors.limits import house_limits
from twin.selectors.timeline import event_for

SIDES = {Side.LOW: "below", Side.HIGH: "above", Side.EQUAL: "equal to"}


def rule_facts(user: User, alert: Alert) -> list[Fact]:
    """Return the rule of an alarm, its bound when it was raised, and where that bound comes from.

    An alarm without a limit, such as one of silence, has the name of its rule alone. A patient's own limit leads to the
    event of its setting, and so to the log, where `user` may see that.
    """
    limit = next((one for one in house_limits() if (one.rule, one.priority) == (alert.rule, alert.priority)), None)
    if limit is None:
        return [Fact("Rule", alert.rule)]
    event, chosen = _own_by_event(alert, limit)
    if event is None:
        return _from_rows(alert, limit)
    if chosen is None:
        return [*_rule(limit, limit.bound, limit.delay_s), _house(limit)]
    link = reverse("twin:event_evidence", args=[event.pk]) if event_for(user, event.pk) is not None else ""
    source = Fact("Limit", _own(event.user, event.at, alert), link)
    return [*_rule(limit, *chosen), source]


def _own_by_event(alert: Alert, limit: Limit) -> tuple[Event | None, tuple[float, float] | None]:
    """Return the newest setting before the alarm: bound and delay, None where it went back to the house's."""
    name = " ".join(limit.key)
    told = Event.objects.filter(patient=alert.patient, code="limits_set", at__lte=alert.raised_at)
    for event in told.select_related("user").order_by("-at", "-pk"):
        changes: list[dict[str, Any]] = event.detail.get("changes", [])
        for change in changes:
            if change["limit"] == name:
                return event, tuple(change["to"]) if change["to"] else None
    return None, None


def _from_rows(alert: Alert, limit: Limit) -> list[Fact]:
    """Return the limit by the rows that hold it: its event has gone, or there never was one."""
    metric, side, priority = limit.key
    rows = AlertLimit.objects.filter(metric=metric, side=side, priority=priority, patient=alert.patient)
    row = rows.filter(set_at__lte=alert.raised_at).select_related("set_by").first()
    if row is not None:
        return [*_rule(limit, row.bound, row.delay_s), Fact("Limit", _own(row.set_by, row.set_at, alert))]
    return [*_rule(limit, limit.bound, limit.delay_s), _house(limit)]


def _rule(limit: Limit, bound: float, delay_s: float) -> list[Fact]:
    measurement = by_key(limit.metric)
    lasting = f" for {delay_s:g} s" if delay_s else ""
    words = f"{measurement.label} {SIDES[limit.side]} {bound:g} {measurement.unit_label}".rstrip()
    return [Fact("Rule", f"{limit.rule}, {limit.priority.value} priority"), Fact("Bound", words + lasting)]


def _house(limit: Limit) -> Fact:
    return Fact("Limit", "the house's" + (f"; {limit.source}" if limit.source else ""))


def _own(by: User | None, at: datetime, alert: Alert) -> str:
    local = at.astimezone(ZoneInfo(alert.patient.time_zone))
    who = by.display_name if by else "somebody who is no longer on record"
    return f"this patient's own, set by {who}, since {local:%-d %b %Y %H:%M}"
