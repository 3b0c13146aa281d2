"""When time alone changes what a person may do: a shift ends, a relationship, an emergency access, an hour of a rule.

Nobody announces such a moment, so whoever serves a person for longer than one request asks when it comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta

from django.db.models import Min, Q

from compliance.models import CareRelationship, EmergencyAccess, Shift, User
from compliance.policy import Policy, Role
from compliance.selectors.policy import active_policy


def next_change(user: User, at: datetime) -> datetime | None:
    """Return the first moment after `at` at which the policy may judge `user` otherwise; None when there is none."""
    policy = active_policy()
    moments = [*_relationships(user, at), *_shifts(user, policy, at), *_hours(policy, Role(user.role), at)]
    moments.append(EmergencyAccess.objects.filter(user=user, ends_at__gt=at).aggregate(end=Min("ends_at"))["end"])
    return min((moment for moment in moments if moment is not None), default=None)


def _relationships(user: User, at: datetime) -> Iterator[datetime | None]:
    mine = CareRelationship.objects.filter(user=user)
    found = mine.aggregate(
        start=Min("starts_at", filter=Q(starts_at__gt=at)), end=Min("ends_at", filter=Q(ends_at__gt=at))
    )
    yield from found.values()


def _shifts(user: User, policy: Policy, at: datetime) -> Iterator[datetime]:
    grace = timedelta(minutes=policy.shift_grace_min)
    found = Shift.objects.filter(user=user).aggregate(
        start=Min("starts_at", filter=Q(starts_at__gt=at + grace)), end=Min("ends_at", filter=Q(ends_at__gt=at - grace))
    )
    if found["start"] is not None:
        yield found["start"] - grace
    if found["end"] is not None:
        yield found["end"] + grace


def _hours(policy: Policy, role: Role, at: datetime) -> Iterator[datetime]:
    local = at.astimezone(policy.time_zone)
    for rule in policy.rules:
        if rule.hours is None or (rule.roles and role not in rule.roles):
            continue
        for hour in rule.hours:
            yield _next_time(local, hour)


def _next_time(local: datetime, hour: time) -> datetime:
    """Return when a clock on the wall shows `hour` next."""
    today = datetime.combine(local.date(), hour, tzinfo=local.tzinfo)
    if today > local:
        return today
    return datetime.combine(local.date() + timedelta(days=1), hour, tzinfo=local.tzinfo)
