"""The security page: what was refused, who could not sign in, which gateways are silent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any

from dash import Output, html
from django.urls import reverse
from django.utils import timezone

from compliance.models import Event, EventCategory, User
from compliance.services.accesses import record_list_access
from devices.models import Gateway
from devices.selectors import is_up
from twin.dashboard import words
from twin.dashboard.figures import Figure, Series, bars, message, stacked
from twin.dashboard.mount import HouseDash
from twin.dashboard.parts import Component, Proof, Row, answers, card, counted, evidence_of, frame, graph, table, tile
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
    named = [event.patient_id for event in summary.newest]
    record_list_access(user=user, patients=named, what="analytics_security")
    return (
        _tiles(summary, partial(evidence_of, "security", filters)),
        _over_time(summary, partial(evidence_of, "security", filters)),
        _codes(summary, partial(evidence_of, "security", filters)),
        _gateways(summary.gateways),
        _newest(summary, partial(evidence_of, "security", filters)),
    )


def _tiles(summary: SecuritySummary, proof: Proof) -> list[Component]:
    heard = [gateway for gateway in summary.gateways if gateway.last_seen_at is not None]
    up = len(heard) - len(summary.gateways_down)
    return [
        tile(
            "Forged or replayed frames",
            f"{summary.total(*ATTACKS):,}",
            note="refused, never stored",
            evidence=proof(code="attacks"),
        ),
        tile(
            "Frames and readings refused",
            f"{summary.frames_refused:,}",
            note="for any reason",
            evidence=proof(code="refused"),
        ),
        tile(
            "Sign-in failures",
            f"{summary.total(*SIGN_IN):,}",
            note="locked after eight",
            evidence=proof(code="sign_in"),
        ),
        tile(
            "Gateways up", f"{up} of {len(heard)}", note=_silent(summary.gateways_down), evidence=proof(code="gateways")
        ),
        tile(
            "Devices in quarantine",
            f"{summary.devices_held}",
            note="their frames are refused",
            evidence=proof(code="held"),
        ),
    ]


def _silent(down: list[Gateway]) -> str:
    return f"silent: {', '.join(gateway.name for gateway in down[:3])}" if down else "all are heard"


def _over_time(summary: SecuritySummary, proof: Proof) -> Figure:
    times = sorted({at for at, _ in summary.series})
    if not times:
        return message(QUIET)
    found = {category for _, category in summary.series}
    shown = [category for category in EventCategory if category.value in found]
    series = [
        Series(str(category.label).capitalize(), [summary.series.get((at, category.value), 0) for at in times])
        for category in shown
    ]
    proofs = [proof(since=at, until=at + summary.bucket) for at in times]
    return stacked(times, series, "events", summary.bucket, proofs)


def _codes(summary: SecuritySummary, proof: Proof) -> Figure:
    if not summary.codes:
        return message(QUIET)
    top = sorted(summary.codes.items(), key=lambda entry: -entry[1])[:TOP]
    labels, counts = [_words(code) for (_, code), _ in top], [count for _, count in top]
    proofs = [proof(code=code) for (_, code), _ in top]
    return bars(labels, counts, "events", [f"{count:,}" for count in counts], proofs)


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


def _newest(summary: SecuritySummary, proof: Proof) -> Component:
    alike = groupby(summary.newest, key=lambda event: (event.code, event.message))
    rows = [_line(list(events), summary.device_names, proof) for _, events in alike]
    return table(("Time", "What", "", "Where", "Times"), rows, numbers=(4,), empty=QUIET)


def _line(events: Sequence[Event], names: dict[int, str], proof: Proof) -> Row:
    """Return one row for events that say the same one after the other, newest first."""
    newest, others = events[0], len(events) - 1
    return (
        html.Time(words.moment(newest.at, timezone.now())),
        _words(newest.code),
        html.Span(newest.message, className="said"),
        html.Span([_where(newest, names), f" and {others} more" if others else ""]),
        counted(
            str(sum(event.count for event in events)),
            reverse("twin:event_evidence", args=[newest.pk]) if others == 0 else proof(code=newest.code),
        ),
    )


def _where(event: Event, names: dict[int, str]) -> Component:
    if event.device_id in names:
        return html.A(names[event.device_id], href=f"/devices/{event.device_id}/")
    if event.patient is not None:
        return html.A(event.patient.name, href=f"/patients/{event.patient.pk}/")
    return event.user.display_name if event.user else "–"


def _words(code: str) -> str:
    return code.replace("_", " ")
