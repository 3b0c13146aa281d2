"""Which gateways hear a device, and how much of it each of them hears: the quality of the links side by side."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet, Sum

from devices.models import Device, DevicePath, Gateway, PathTally

SPAN = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class PathRow:
    """One gateway that hears a device. first: how many readings it brought before any other; all: of all gateways."""

    gateway: Gateway | None  # None: one that whoever looks may not see
    number: int  # of the device on this gateway's wire
    first: int
    repeated: int
    all: int
    own: bool = False
    ended_at: datetime | None = None

    @property
    def heard(self) -> int:
        """How many of the device's readings it brought."""
        return self.first + self.repeated

    @property
    def share_percent(self) -> float | None:
        """How many of a hundred readings of the device it brought; None while there are none."""
        return 100.0 * self.heard / self.all if self.all else None


def paths_of(device: Device, near: QuerySet[Gateway], now: datetime) -> list[PathRow]:
    """Return the gateways that hear a device, its own first; nothing where it is heard by that alone.

    near: the gateways that whoever looks may see; the others go without a name.
    """
    paths = list(DevicePath.objects.filter(device=device).select_related("gateway"))
    if not paths:
        return []
    named = set(
        near.filter(pk__in=[device.gateway_id, *(path.gateway_id for path in paths)]).values_list("pk", flat=True)
    )
    lately = PathTally.objects.filter(device=device, hour__gte=now - SPAN).values("gateway").order_by()
    counted = {row["gateway"]: row for row in lately.annotate(first=Sum("first"), repeated=Sum("repeated"))}
    total = sum(row["first"] for row in counted.values())

    def row(gateway: Gateway, number: int, ended_at: datetime | None = None) -> PathRow:
        found = counted.get(gateway.pk, {"first": 0, "repeated": 0})
        own = gateway.pk == device.gateway_id
        shown = gateway if gateway.pk in named else None
        return PathRow(shown, number, found["first"], found["repeated"], total, own, ended_at)

    return [row(device.gateway, device.pk), *(row(path.gateway, path.number, path.ended_at) for path in paths)]
