"""Which gateways are connected here, and when a connection ends: the newest wins, and a right can be taken away."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, Protocol

from django.db import transaction
from django.utils import timezone

from devices.models import Gateway, GatewaySession
from devices.protocol.hello import Nack, Transcript
from devices.services.directory import Directory, KnownGateway
from devices.signals import gateway_link_changed

CLOSE_TRY_LATER = 1013
CLOSE_NOT_ALLOWED = 4403
CLOSE_SUPERSEDED = 4409
CLOSE_NEW_SETTINGS = 4410


class Link(Protocol):
    """A connected gateway, as the writer sees it. The coroutines run on the event loop."""

    gateway_id: int
    opened_at: datetime
    software: str
    transcript: Transcript

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
    """A gateway's socket opened or closed, or wants its next epoch (again)."""

    link: Link
    connected: bool
    again: bool = False


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
        """Store that the gateways are connected and how they proved it, announce it, and return what they replace.

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
        with transaction.atomic():
            Gateway.objects.bulk_update(rows, ["connected_at", "last_seen_at", "software"], batch_size=100)
            GatewaySession.objects.bulk_create([_session(link) for link in links], batch_size=100)
        for row in rows:
            gateway_link_changed.send_robust(Links, gateway_id=row.id, connected=True)
        return ended

    def closed(self, links: list[Link]) -> None:
        """Store and announce that the gateways are gone, unless a newer connection took over."""
        now = timezone.now()
        GatewaySession.objects.filter(digest__in=[link.transcript.digest for link in links]).update(closed_at=now)
        gone = [link.gateway_id for link in links if self._open.get(link.gateway_id) is link]
        for gateway_id in gone:
            del self._open[gateway_id]
        if gone:
            Gateway.objects.filter(id__in=gone).update(last_seen_at=now)
        for gateway_id in gone:
            gateway_link_changed.send_robust(Links, gateway_id=gateway_id, connected=False)

    def to_end(self, directory: Directory) -> list[Ending]:
        """Return the connections that may no longer be: gateway not active any more, or connected elsewhere later."""
        ended = []
        for gateway_id, link in self._open.items():
            known = directory.gateways.get(gateway_id)
            if known is None or not known.active:
                ended.append(Ending(link, CLOSE_NOT_ALLOWED, "this gateway may no longer connect"))
            elif not _certified(link, known):
                ended.append(Ending(link, CLOSE_NOT_ALLOWED, "the certificate of this gateway no longer counts"))
            elif _settings_number(link) < known.settings_number:
                ended.append(Ending(link, CLOSE_NEW_SETTINGS, "the next welcome brings other settings"))
            elif known.connected_at is not None and known.connected_at > link.opened_at:
                ended.append(Ending(link, CLOSE_SUPERSEDED, "a newer connection of this gateway took over"))
        return ended

    def store_heard(self) -> None:
        """Write down, coarsely, when gateways were last heard."""
        heard, self._heard = self._heard, set()
        if heard:
            Gateway.objects.filter(id__in=heard).update(last_seen_at=timezone.now())


def _settings_number(link: Link) -> float:
    """Return the number of the settings that the gateway was sent; one that was not paired is sent none."""
    agreement = link.transcript.agreement
    return float("inf") if agreement is None or agreement.epoch is None else agreement.settings.number


def _certified(link: Link, known: KnownGateway) -> bool:
    """Tell whether what a connection was opened with still counts: a gateway that was paired must use it."""
    agreement = link.transcript.agreement
    if agreement is None:
        return known.root is None
    return known.root == agreement.root and known.believes(agreement.serial, time.time())


def _session(link: Link) -> GatewaySession:
    proof = link.transcript
    return GatewaySession(
        digest=proof.digest,
        gateway_id=proof.gateway_id,
        public_key=proof.public_key,
        nonce=proof.nonce,
        signature=proof.signature,
        said=proof.said,
        software=link.software,
        opened_at=link.opened_at,
    )
