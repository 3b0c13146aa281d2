"""The security page: what was refused, who could not sign in, which gateways are silent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from dash import Output, html
from django.utils import timezone

from compliance.models import Event, EventCategory, User
from devices.models import Gateway
from devices.selectors import is_up
from twin.dashboard import words
from twin.dashboard.figures import Figure, Series, bars, message, stacked
from twin.dashboard.mount import HouseDash
from twin.dashboard.parts import Component, Row, answers, card, frame, graph, table, tile
from twin.selectors.analytics import Filters
from twin.selectors.security import ATTACKS, SIGN_IN, SecuritySummary, security_summary

TOP = 10
QUIET = "Nothing was refused in this period."

page = HouseDash(
    "security",
    "Security",
    "twin.view_analytics",
    "What was refused and why: frames, readings, gateways and sign-ins. A flood of one thing is one row that counts.",
    period="24h",
)
page.layout = frame(
    "security-tiles",
    card(
        "Events over time", "by category; UTC", graph("security-time", "Events over time, by category"), span="span-8"
    ),
    card("By code", "most frequent first", graph("security-codes", "Events by code"), span="span-4"),
    card("Newest events", "times in UTC", html.Div(id="security-events"), span="span-8"),
    card("Gateways", "active ones", html.Div(id="security-gateways"), span="span-4"),
)


@answers(
    page,
    Output("security-tiles", "children"),
    Output("security-time", "figure"),
    Output("security-codes", "figure"),
    Output("security-gateways", "children"),
    Output("security-events", "children"),
)
def fill(user: User, filters: Filters) -> tuple[Any, ...]:
    """Fill the page from the events that the user may see."""
    summary = security_summary(user, filters)
    return (
        _tiles(summary),
        _over_time(summary),
        _codes(summary),
        _gateways(summary.gateways),
        _newest(summary),
    )


def _tiles(summary: SecuritySummary) -> list[Component]:
    heard = [gateway for gateway in summary.gateways if gateway.last_seen_at is not None]
    up = len(heard) - len(summary.gateways_down)
    return [
        tile("Forged or replayed frames", f"{summary.total(*ATTACKS):,}", note="refused, never stored"),
        tile("Frames and readings refused", f"{summary.frames_refused:,}", note="for any reason"),
        tile("Sign-in failures", f"{summary.total(*SIGN_IN):,}", note="locked after eight"),
        tile("Gateways up", f"{up} of {len(heard)}", note=_silent(summary.gateways_down)),
        tile("Devices in quarantine", f"{summary.devices_held}", note="their frames are refused"),
    ]


def _silent(down: list[Gateway]) -> str:
    return f"silent: {', '.join(gateway.name for gateway in down[:3])}" if down else "all are heard"


def _over_time(summary: SecuritySummary) -> Figure:
    times = sorted({at for at, _ in summary.series})
    if not times:
        return message(QUIET)
    found = {category for _, category in summary.series}
    shown = [category for category in EventCategory if category.value in found]
    series = [
        Series(str(category.label).capitalize(), [summary.series.get((at, category.value), 0) for at in times])
        for category in shown
    ]
    return stacked(times, series, "events", summary.bucket)


def _codes(summary: SecuritySummary) -> Figure:
    if not summary.codes:
        return message(QUIET)
    top = sorted(summary.codes.items(), key=lambda entry: -entry[1])[:TOP]
    labels, counts = [_words(code) for (_, code), _ in top], [count for _, count in top]
    return bars(labels, counts, "events", [f"{count:,}" for count in counts])


def _gateways(gateways: list[Gateway]) -> Component:
    now = timezone.now()
    up = {gateway: is_up(gateway, now) for gateway in gateways}
    rows = [
        (gateway.name, gateway.ward.name, _state(gateway, up[gateway], now))
        for gateway in sorted(gateways, key=lambda gateway: up[gateway])
    ]
    return table(("Gateway", "Ward", "State"), rows, empty="No gateway stands on a ward that you may see.")


def _state(gateway: Gateway, up: bool, now: datetime) -> Component:
    said = "up" if up else "not heard yet"
    if gateway.last_seen_at and not up:
        said = f"silent since {words.moment(gateway.last_seen_at, now)}"
    return html.Span([html.Span(className="dot" if up else "dot off"), said], className="state")


def _newest(summary: SecuritySummary) -> Component:
    alike = groupby(summary.newest, key=lambda event: (event.code, event.message))
    rows = [_line(list(events), summary.device_names) for _, events in alike]
    return table(("Time", "What", "", "Where", "Times"), rows, numbers=(4,), empty=QUIET)


def _line(events: Sequence[Event], names: dict[int, str]) -> Row:
    """Return one row for events that say the same one after the other, newest first."""
    newest, others = events[0], len(events) - 1
    return (
        html.Time(words.moment(newest.at, timezone.now())),
        _words(newest.code),
        html.Span(newest.message, className="said"),
        html.Span([_where(newest, names), f" and {others} more" if others else ""]),
        sum(event.count for event in events),
    )


def _where(event: Event, names: dict[int, str]) -> Component:
    if event.device_id in names:
        return html.A(names[event.device_id], href=f"/devices/{event.device_id}/")
    if event.patient is not None:
        return html.A(event.patient.name, href=f"/patients/{event.patient.pk}/")
    return event.user.display_name if event.user else "–"


def _words(code: str) -> str:
    return code.replace("_", " ")
