"""Reads of HL7 destinations and their outboxes. A destination is seen by whoever may configure all of its wards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q, QuerySet

from compliance.models import User, Ward
from compliance.privacy.purposes import Purpose
from compliance.selectors import scope_for
from compliance.selectors.consents import refusing_patients
from devices.models import Device, HL7Destination, HL7Message, MessageState

CONFIGURE = "devices.configure_hl7"
SHOWN = 50


@dataclass(frozen=True, slots=True)
class DestinationRow:
    """A destination and how its outbox stands."""

    destination: HL7Destination
    waiting: int
    parked: int
    oldest_at: datetime | None

    @property
    def state(self) -> str:
        """The one word that matters most."""
        if not self.destination.enabled:
            return "paused"
        if self.destination.problem:
            return "not reached"
        if self.parked:
            return "refused some"
        return "up" if self.destination.acked_at else "nothing sent yet"


def destinations_for(user: User) -> QuerySet[HL7Destination]:
    """Return the destinations all of whose wards `user` may configure: none tells of a ward that is not theirs."""
    mine = scope_for(user, CONFIGURE, once_confirmed=True).ward_ids
    foreign = Ward.objects.exclude(pk__in=mine)
    return HL7Destination.objects.filter(wards__in=mine).exclude(wards__in=foreign).distinct()


def messages_for(user: User) -> QuerySet[HL7Message]:
    """Return the messages of those destinations."""
    return HL7Message.objects.filter(destination__in=destinations_for(user)).select_related("destination", "patient")


def destination_rows(destinations: QuerySet[HL7Destination]) -> list[DestinationRow]:
    """Return the destinations with their counts, by name."""
    of_state = {state: Q(messages__state=state) for state in MessageState}
    counted = destinations.annotate(
        waiting=Count("messages", filter=of_state[MessageState.WAITING], distinct=True),
        parked=Count("messages", filter=of_state[MessageState.PARKED], distinct=True),
        oldest_at=Min("messages__made_at", filter=of_state[MessageState.WAITING]),
    )
    return [DestinationRow(one, one.waiting, one.parked, one.oldest_at) for one in counted]


def outbox(destination: HL7Destination) -> list[HL7Message]:
    """Return what waits or was refused, refused ones first, and then the newest that were accepted."""
    messages = HL7Message.objects.filter(destination=destination).select_related("patient")
    found = list(messages.filter(state=MessageState.PARKED)[:SHOWN])
    found += messages.filter(state=MessageState.WAITING)[:SHOWN]
    return found + list(messages.filter(state=MessageState.ACCEPTED).order_by("-pk")[:10])


def devices_told_of(destination: HL7Destination) -> QuerySet[Device]:
    """Return the devices on patients of the destination's wards whose consent lets them be told of there."""
    there = Device.objects.filter(patient__ward__in=destination.wards.all()).select_related("patient__ward")
    return there.exclude(patient__in=refusing_patients(purpose_of(destination)))


def purpose_of(destination: HL7Destination) -> Purpose:
    """Return what a patient's record is used for when the destination is told."""
    return Purpose.SHARE_EXTERNAL if destination.shares_outside else Purpose.TREATMENT
