"""Subscription: who is told of which changes, by a request to an address of theirs (rest-hook)."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q, QuerySet

from compliance.fhir.access import Access
from compliance.fhir.entries import Entry, Resource
from compliance.fhir.errors import ResourceNotFound
from compliance.fhir.hooks.keeping import change, remove, subscribe
from compliance.fhir.hooks.reading import read_wish, rendered
from compliance.fhir.parameters import coded, uuid_key
from compliance.fhir.table import Table
from compliance.models import Subscription, SubscriptionState

STATUS = "http://hl7.org/fhir/subscription-status"


class Subscriptions(Table[Subscription]):
    """One's own subscriptions; an administrator sees those of the ward on a page."""

    name = "Subscription"
    about = "One's own standing question: each match is told to an address of one's own (rest-hook)."
    action = "compliance.manage_tokens"
    creates = True
    updates = True
    deletes = True
    exported = False
    born = "created_at"
    changed = "changed_at"
    parameters = (
        coded(
            "status", "requested, active, error or off", STATUS, {one.value: Q(state=one) for one in SubscriptionState}
        ),
    )

    @property
    def told(self) -> bool:
        """Nobody is told of subscriptions."""
        return False

    def key(self, text: str) -> UUID | None:
        """Return the UUID that an id writes."""
        return uuid_key(text)

    def rows(self, access: Access) -> QuerySet[Subscription]:
        """Return the person's own. No right is asked: to end one must stay possible when all others are gone."""
        return Subscription.objects.filter(owner=access.user)

    def render(self, row: Subscription) -> Resource:
        """Return a Subscription, its headers without their values."""
        return rendered(row)

    def create(self, access: Access, resource: Resource) -> Entry:
        """Store a subscription; a worker activates it."""
        return self.entry(subscribe(access, read_wish(access, resource, None)))

    def update(self, access: Access, current: Entry, resource: Resource) -> Entry:
        """Change it, switch it off, or ask for it anew."""
        row = self._locked(access, current, "u")
        return self.entry(change(access, row, read_wish(access, resource, row)))

    def delete(self, access: Access, current: Entry) -> None:
        """Remove it."""
        remove(self._locked(access, current, "d"), access.user)

    def _locked(self, access: Access, current: Entry, letter: str) -> Subscription:
        mine = self.visible(access, letter).select_for_update(of=("self",))
        row = mine.filter(pk__in=[current.id]).first()
        if row is None:
            raise ResourceNotFound
        return row
