"""Which gateways are connected here, and when a connection ends: the newest wins, and a right can be taken away."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, Protocol

from django.utils import timezone

from devices.models import Gateway
from devices.protocol.hello import Nack
from devices.services.directory import Directory
from devices.signals import gateway_link_changed

CLOSE_TRY_LATER = 1013
CLOSE_NOT_ALLOWED = 4403
CLOSE_SUPERSEDED = 4409


class Link(Protocol):
    """A connected gateway, as the writer sees it. The coroutines run on the event loop."""

    gateway_id: int
    opened_at: datetime
    software: str

    async def welcome(self) -> None:
        """The writer knows this connection: frames may come."""
        ...

    async def answer(self, acked: list[tuple[int, int]], nacks: list[Nack]) -> None:
        """Tell the gateway what became of its frames."""
        ...

    async def end(self, code: int, reason: str) -> None:
        """Close the connection."""
        ...


class LinkChange(NamedTuple):
    """A gateway's socket opened or closed."""

    link: Link
    connected: bool


class Ending(NamedTuple):
    """A connection that has to be closed, and why."""

    link: Link
    code: int
    reason: str


class Links:
    """The connections of this process. Only the writer's thread calls."""

    def __init__(self) -> None:
        self._open: dict[int, Link] = {}
        self._heard: set[int] = set()

    def heard(self, gateway_ids: Iterable[int]) -> None:
        """Remember that these gateways sent something."""
        self._heard.update(gateway_ids)

    def opened(self, links: list[Link]) -> list[Ending]:
        """Store that the gateways are connected, announce it, and return the connections that they replace.

        `connected_at` names the newest connection; another process sees in it that its own is no longer the newest.
        """
        ended = []
        for link in links:
            older = self._open.get(link.gateway_id)
            if older is not None and older is not link:
                ended.append(Ending(older, CLOSE_SUPERSEDED, "a newer connection of this gateway took over"))
            self._open[link.gateway_id] = link
        now = timezone.now()
        rows = [
            Gateway(id=link.gateway_id, connected_at=link.opened_at, last_seen_at=now, software=link.software)
            for link in links
            if self._open[link.gateway_id] is link
        ]
        Gateway.objects.bulk_update(rows, ["connected_at", "last_seen_at", "software"], batch_size=100)
        for row in rows:
            gateway_link_changed.send_robust(Links, gateway_id=row.id, connected=True)
        return ended

    def closed(self, links: list[Link]) -> None:
        """Store and announce that the gateways are gone, unless a newer connection took over."""
        gone = [link.gateway_id for link in links if self._open.get(link.gateway_id) is link]
        for gateway_id in gone:
            del self._open[gateway_id]
        if gone:
            Gateway.objects.filter(id__in=gone).update(last_seen_at=timezone.now())
        for gateway_id in gone:
            gateway_link_changed.send_robust(Links, gateway_id=gateway_id, connected=False)

    def to_end(self, directory: Directory) -> list[Ending]:
        """Return the connections that may no longer be: gateway not active any more, or connected elsewhere later."""
        ended = []
        for gateway_id, link in self._open.items():
            known = directory.gateways.get(gateway_id)
            if known is None or not known.active:
                ended.append(Ending(link, CLOSE_NOT_ALLOWED, "this gateway may no longer connect"))
            elif known.connected_at is not None and known.connected_at > link.opened_at:
                ended.append(Ending(link, CLOSE_SUPERSEDED, "a newer connection of this gateway took over"))
        return ended

    def store_heard(self) -> None:
        """Write down, coarsely, when gateways were last heard."""
        heard, self._heard = self._heard, set()
        if heard:
            Gateway.objects.filter(id__in=heard).update(last_seen_at=timezone.now())
