"""The energy page: joules by link, device, patient and message, and what security costs of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from dash import Output, html

from compliance.models import User
from devices.energy import LINKS
from twin.dashboard import words
from twin.dashboard.figures import Figure, Series, bars, message, stacked
from twin.dashboard.mount import HouseDash
from twin.dashboard.parts import Component, answers, card, frame, graph, table, tile
from twin.selectors.analytics import Filters
from twin.selectors.energy import EnergySummary, PatientEnergy, energy_summary

TOP = 10
NOTHING = "No device sent anything in this period."

page = HouseDash(
    "energy",
    "Energy",
    "twin.view_analytics",
    "What sending costs: modelled from data sheets and published measurements, for the frames that arrived.",
    period="24h",
)


def _sources() -> Component:
    known = [html.Div([html.Dt(link.label), html.Dd(link.source)]) for link in LINKS.values()]
    return html.Details(
        [
            html.Summary("Where the figures come from"),
            html.P("D: data sheet or standard. P: published measurement. E: our estimate.", className="muted small"),
            html.Dl(known, className="sources"),
        ],
        className="card",
    )


page.layout = html.Div(
    [
        frame(
            "energy-tiles",
            card(
                "Energy over time",
                "radio and processor, by link; UTC",
                graph("energy-time", "Joules over time, by link"),
                span="span-8",
            ),
            card("The price of the seal", "uplink, with and without", html.Div(id="energy-seal"), span="span-4"),
            card("Energy per message", "mean, by link", graph("energy-message", "Joules per message, by link")),
            card("Per patient and day", "of monitoring", graph("energy-patients", "Joules per patient and day")),
            card("Largest consumers", "both hops", html.Div(id="energy-devices"), span="span-12"),
        ),
        _sources(),
    ],
    className="stack",
)


@answers(
    page,
    Output("energy-tiles", "children"),
    Output("energy-time", "figure"),
    Output("energy-seal", "children"),
    Output("energy-message", "figure"),
    Output("energy-patients", "figure"),
    Output("energy-devices", "children"),
)
def fill(user: User, filters: Filters) -> tuple[Any, ...]:
    """Fill the page from the minutes that the user may see."""
    summary = energy_summary(user, filters)
    return (
        _tiles(summary),
        _over_time(summary),
        _seal(summary),
        _per_message(summary),
        _per_patient(summary.patients),
        _devices(summary),
    )


def _tiles(summary: EnergySummary) -> list[Component]:
    total, uplink = summary.total, summary.uplink
    per_day = summary.joules_per_patient_day
    size, size_unit = words.data(uplink.payload_bytes + uplink.overhead_bytes)
    return [
        tile("Energy in this period", *words.joules(total.joules), note=f"{uplink.messages:,} sealed frames"),
        tile("Per frame, both hops", *words.joules(total.joules / uplink.messages if uplink.messages else 0.0)),
        tile("Per patient and day", *(words.joules(per_day) if per_day is not None else ("–", ""))),
        tile("Sealed bytes", size, size_unit, note=f"{uplink.readings:,} readings"),
        tile("Security, of all energy", words.share(total.security_j, total.joules)),
    ]


def _over_time(summary: EnergySummary) -> Figure:
    times = sorted({at for at, _ in summary.series})
    if not times:
        return message(NOTHING)
    links = sorted(summary.links, key=lambda link: -summary.links[link].joules)
    series = [Series(_label(link), [summary.series.get((at, link), 0.0) for at in times]) for link in links]
    return stacked(times, series, "J", summary.bucket)


def _seal(summary: EnergySummary) -> Component:
    uplink = summary.uplink
    if not uplink.messages:
        return html.P(NOTHING, className="empty compact")
    plain_j = uplink.joules - uplink.security_j
    sealed_bytes = uplink.payload_bytes + uplink.overhead_bytes
    rows = [
        _compared("Bytes", " ".join(words.data(uplink.payload_bytes)), " ".join(words.data(sealed_bytes))),
        _compared("Energy", words.energy(plain_j), words.energy(uplink.joules)),
        _compared("Per frame", words.energy(plain_j / uplink.messages), words.energy(uplink.joules_per_message)),
    ]
    share = f"{words.share(uplink.overhead_bytes, sealed_bytes)} of bytes, "
    share += f"{words.share(uplink.security_j, uplink.joules)} of energy"
    return html.Div(
        [
            table(("", "Without", "With seal"), rows, numbers=(1, 2)),
            html.P(["Header, tag and cipher take ", html.Strong(share), "."], className="small"),
        ]
    )


def _compared(label: str, without: str, sealed: str) -> Sequence[Component]:
    return (label, without, sealed)


def _per_message(summary: EnergySummary) -> Figure:
    links = [(link, sums) for link, sums in summary.links.items() if sums.messages]
    if not links:
        return message(NOTHING)
    links.sort(key=lambda entry: -entry[1].joules_per_message)
    values = [sums.joules_per_message * 1e3 for _, sums in links]
    shown = [words.energy(sums.joules_per_message) for _, sums in links]
    return bars([_label(link) for link, _ in links], values, "mJ", shown)


def _per_patient(patients: Sequence[PatientEnergy]) -> Figure:
    if not patients:
        return message(NOTHING)
    top = sorted(patients, key=lambda entry: -entry.joules_per_day)[:TOP]
    values = [entry.joules_per_day for entry in top]
    return bars([entry.patient.name for entry in top], values, "J a day", [words.energy(value) for value in values])


def _devices(summary: EnergySummary) -> Component:
    patients: dict[UUID | None, str] = {entry.patient.pk: entry.patient.name for entry in summary.patients}
    head = ("Device", "With", "Messages", "Per message", "Security", "Energy")
    rows = [
        (
            html.A(entry.device.label, href=f"/devices/{entry.device.pk}/"),
            patients.get(entry.device.patient_id, "no patient"),
            f"{entry.sums.messages:,}",
            words.energy(entry.sums.joules_per_message),
            words.share(entry.sums.security_j, entry.sums.joules),
            words.energy(entry.sums.joules),
        )
        for entry in summary.devices[:TOP]
    ]
    return table(head, rows, numbers=(2, 3, 4, 5), empty=NOTHING)


def _label(link: str) -> str:
    return LINKS[link].label if link in LINKS else link
