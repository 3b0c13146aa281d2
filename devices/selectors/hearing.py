"""How well gateways hear devices, and what devices say of themselves: as their gateways told it, never made up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter

from django.db.models import OuterRef, Subquery
from django.utils.functional import cached_property

from devices.models import Device, EdgeFact, Gateway, GatewaySession
from devices.protocol.facts import FactKind

SPAN = timedelta(hours=24)
BELIEVED = timedelta(minutes=30)  # a gateway tells every ten minutes
STRONG_DBM, FAIR_DBM = -67.0, -80.0  # receivers of Bluetooth LE give out between -90 and -97 dBm
CHART_LOW_DBM, CHART_HIGH_DBM = -100.0, -30.0
CHART_WIDTH, CHART_HEIGHT = 288.0, 70.0  # 12 units an hour, one a dBm
NEWEST = ("-received_at", "-pk")  # not by `at`: a gateway whose clock was set back tells newer things at earlier times
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Link:
    """What one gateway told last of how it hears a device. told_at: when the server received it. rssi: dBm."""

    radio: str  # bluetooth, virtual, none
    told_at: datetime
    now: datetime
    rssi_median: float | None
    rssi_lowest: float | None
    signals: int

    @property
    def is_radio(self) -> bool:
        """Tell whether there is a radio that can be measured."""
        return self.radio == "bluetooth"

    @property
    def stale(self) -> bool:
        """Tell whether the figures are too old to be shown as today's."""
        return self.radio != "none" and self.now - self.told_at > BELIEVED

    @property
    def strength(self) -> str:
        """The strength in one word; empty where nothing was measured, or too long ago."""
        if self.rssi_median is None or self.stale:
            return ""
        return strength_of(self.rssi_median)

    @property
    def figure(self) -> str:
        """The median as people read it."""
        return "" if self.rssi_median is None else dbm(self.rssi_median)

    @property
    def lowest(self) -> str:
        """The lowest as people read it."""
        return "" if self.rssi_lowest is None else dbm(self.rssi_lowest)


@dataclass(frozen=True, slots=True)
class About:
    """What a device says of itself; texts of the device's own, empty where it says nothing."""

    firmware: str
    model: str
    maker: str
    serial: str
    told_at: datetime


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of a device's link and firmware; None where nobody told."""

    link: Link | None = None
    about: About | None = None


@dataclass(frozen=True)
class LinkHistory:
    """24 hours of a link: (when, median, lowest) of each summary, oldest first, and what was counted in all of them."""

    now: datetime
    points: list[tuple[datetime, float, float]] = field(default_factory=list)
    summaries: int = 0
    reconnects: int = 0
    refused: int = 0
    wrong_crc: int = 0

    @cached_property
    def strokes(self) -> list[str]:
        """The medians as lines of an SVG, broken where nothing was told: "x,y x,y ..."."""
        strokes: list[list[str]] = []
        before: datetime | None = None
        for at, middle, _ in self.points:
            if before is None or at - before > BELIEVED:
                strokes.append([])
            strokes[-1].append(f"{self._x(at):.1f},{_y(middle):.1f}")
            before = at
        # A line of one point has no length; drawn to itself, its round cap makes it a dot.
        return [" ".join(stroke if len(stroke) > 1 else stroke * 2) for stroke in strokes]

    @property
    def range(self) -> str:
        """Between what the strength lay: "−71 to −48 dBm"."""
        low, high = min(point[2] for point in self.points), max(point[1] for point in self.points)
        return f"{_signed(low)} to {dbm(high)}"

    def _x(self, at: datetime) -> float:
        share = 1.0 - (self.now - at) / SPAN
        return CHART_WIDTH * min(max(share, 0.0), 1.0)


def strength_of(rssi_dbm: float) -> str:
    """Return strong, fair or weak."""
    return "strong" if rssi_dbm >= STRONG_DBM else "fair" if rssi_dbm >= FAIR_DBM else "weak"


def dbm(value: float) -> str:
    """Return "−58 dBm"."""
    return f"{_signed(value)} dBm"


def heard_of(devices: Iterable[Device], now: datetime) -> dict[int, Heard]:
    """Return device id -> what the gateway that it belongs to told last of it, and what it said of itself."""
    ids = [device.pk for device in devices]

    def newest(kind: FactKind, **more: OuterRef) -> Subquery:
        told = EdgeFact.objects.filter(device=OuterRef("pk"), kind=kind, **more).order_by(*NEWEST)
        return Subquery(told.values("pk")[:1])

    rows = Device.objects.filter(pk__in=ids).order_by()
    asked = rows.annotate(
        told_link=newest(FactKind.LINK, gateway=OuterRef("gateway")), told_about=newest(FactKind.ABOUT)
    )
    found = {pk: facts for pk, *facts in asked.values_list("pk", "told_link", "told_about")}
    wanted = [fact for facts in found.values() for fact in facts if fact is not None]
    told = EdgeFact.objects.filter(pk__in=wanted).defer("frame").in_bulk()
    return {
        pk: Heard(_link(told.get(link), now), _about(told.get(about)))
        for pk, (link, about) in ((pk, found.get(pk, [None, None])) for pk in ids)
    }


def links_by_gateway(device: Device, gateways: Iterable[int], now: datetime) -> dict[int, Link]:
    """Return gateway id -> how it hears the device, of those that told."""
    facts = EdgeFact.objects.filter(device=device, kind=FactKind.LINK).order_by(*NEWEST).defer("frame")
    told = {gateway: _link(facts.filter(gateway=gateway).first(), now) for gateway in gateways}
    return {gateway: link for gateway, link in told.items() if link is not None}


def history_of(device: Device, now: datetime) -> LinkHistory:
    """Return how the gateway that the device belongs to heard it in 24 hours, while its wearer of today wore it."""
    facts = EdgeFact.objects.filter(device=device, kind=FactKind.LINK, gateway=device.gateway_id)
    facts = facts.filter(patient=device.patient_id, received_at__gt=now - SPAN).order_by("received_at", "pk")
    rows = [row for row in facts.values_list("at", "received_at", "values", "texts") if row[3].get("radio") != "none"]
    moments = moments_of([(at, received_at) for at, received_at, *_ in rows], now - SPAN)
    told = sorted(zip(moments, (row[2] for row in rows), strict=True), key=itemgetter(0))
    points = [
        (at, values["rssi_median_dbm"], values.get("rssi_lowest_dbm", values["rssi_median_dbm"]))
        for at, values in told
        if "rssi_median_dbm" in values
    ]
    counted = {
        name: int(sum(values.get(name, 0.0) for _, values in told)) for name in ("reconnects", "refused", "wrong_crc")
    }
    return LinkHistory(now, points, len(told), **counted)


def moments_of(told: Iterable[tuple[datetime, datetime]], since: datetime) -> list[datetime]:
    """Return where in a span each of many things stands that a gateway told. told: (at, received_at) as they came.

    What a gateway told late, since it was cut off, stands at its own time. A time of before the span, or of before what
    came earlier, is that of a clock that was set back: then it counts when it was received.
    """
    moments: list[datetime] = []
    latest = since
    for at, received_at in told:
        moments.append(at if at >= latest else received_at)
        if at >= since:
            latest = max(latest, moments[-1])
    return moments


def connections_of(gateway: Gateway, now: datetime) -> int:
    """Return how often a gateway greeted the server in 24 hours: a line that holds is greeted once a day."""
    return GatewaySession.objects.filter(gateway=gateway, opened_at__gt=now - SPAN).count()


def _link(fact: EdgeFact | None, now: datetime) -> Link | None:
    if fact is None:
        return None
    values = fact.values
    median, lowest = values.get("rssi_median_dbm"), values.get("rssi_lowest_dbm")
    return Link(fact.texts.get("radio", ""), fact.received_at, now, median, lowest, int(values.get("signals", 0)))


def _about(fact: EdgeFact | None) -> About | None:
    if fact is None:
        return None
    said = {name: str(fact.texts.get(name, "")) for name in ("firmware", "model", "maker", "serial")}
    return About(**said, told_at=fact.received_at)


def _signed(value: float) -> str:
    return f"{value:.0f}".replace("-", MINUS)


def _y(value: float) -> float:
    inside = min(max(value, CHART_LOW_DBM), CHART_HIGH_DBM)
    return CHART_HEIGHT * (CHART_HIGH_DBM - inside) / (CHART_HIGH_DBM - CHART_LOW_DBM)
