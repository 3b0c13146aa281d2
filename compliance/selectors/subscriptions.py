"""Reads of FHIR subscriptions and what waits for their receivers."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.db.models import Count, Q, QuerySet

from compliance.models import Subscription, SubscriptionNotice, SubscriptionNoticeState, User
from compliance.selectors.people import scope_for
from compliance.selectors.tokens import MANAGE_CLIENTS

SHOWN = 50


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A subscription and how its outbox stands. The path of its address may be a secret: only the host is shown."""

    subscription: Subscription
    waiting: int
    parked: int

    @property
    def host(self) -> str:
        """Where notifications go."""
        return urlsplit(self.subscription.endpoint).netloc

    @property
    def owner(self) -> str:
        """Whose it is: a backend service, or a person."""
        client = self.subscription.client
        person = self.subscription.owner
        return client.name if client is not None else person.get_full_name() or person.username


def subscriptions_for(user: User) -> QuerySet[Subscription]:
    """Return one's own, and those of people and services on wards whose services the person administers."""
    wards = scope_for(user, MANAGE_CLIENTS, once_confirmed=True).ward_ids
    theirs = User.objects.filter(care_relationships__ward_id__in=wards).values("pk")
    return Subscription.objects.filter(Q(owner=user) | Q(owner__in=theirs)).select_related("owner", "client")


def subscription_rows(subscriptions: QuerySet[Subscription]) -> list[SubscriptionRow]:
    """Return subscriptions with their counts, newest first."""
    of_state = {state: Q(notices__state=state) for state in SubscriptionNoticeState}
    counted = subscriptions.annotate(
        waiting=Count("notices", filter=of_state[SubscriptionNoticeState.WAITING]),
        parked=Count("notices", filter=of_state[SubscriptionNoticeState.PARKED]),
    )
    return [SubscriptionRow(one, one.waiting, one.parked) for one in counted]


def notices_for(user: User) -> QuerySet[SubscriptionNotice]:
    """Return the notices of the subscriptions that the person may see."""
    return SubscriptionNotice.objects.filter(subscription__in=subscriptions_for(user)).select_related("subscription")


def outbox_of(subscription: Subscription) -> list[SubscriptionNotice]:
    """Return what was given up, what waits, and the newest that were taken."""
    mine = SubscriptionNotice.objects.filter(subscription=subscription)
    found = list(mine.filter(state=SubscriptionNoticeState.PARKED)[:SHOWN])
    found += mine.filter(state=SubscriptionNoticeState.WAITING)[:SHOWN]
    return found + list(mine.filter(state=SubscriptionNoticeState.SENT).order_by("-pk")[:10])
