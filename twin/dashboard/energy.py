"""The energy page: joules by link, device, patient and message, and what security costs of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from dash import Output, html

from compliance.models import User
from compliance.services.accesses import record_list_access
from devices.energy.cpu import CIPHERS
from devices.energy.lines import SOURCE as LINES_SOURCE
from devices.energy.links import LINKS
from devices.energy.measured import measured
from devices.energy.trust import ACTS
from devices.energy.trust import SOURCE as TRUST_SOURCE
from devices.protocol.suites import Suite
from twin.dashboard import words
from twin.dashboard.figures import Figure, Series, bars, message, stacked
from twin.dashboard.lab import lab_card
from twin.dashboard.mount import HouseDash
from twin.dashboard.parts import Component, Proof, answers, card, counted, evidence_of, frame, graph, table, tile
from twin.selectors.analytics import Filters
from twin.selectors.energy import EnergySummary, PatientEnergy, energy_summary
from twin.selectors.energy_lines import Comparison, compare_lines

TOP = 10
NOTHING = "No device sent anything in this period."
NO_LINE = "No frame of a patient went over a link that speaks IP in this period."

page = HouseDash(
    "energy",
    "Energy",
    "twin.view_analytics",
    "What sending costs: modelled from data sheets and published measurements, for the frames that arrived.",
    period="24h",
)


def _sources() -> Component:
    sources = [(link.label, link.source) for link in LINKS.values()]
    sources += [(suite.facts.label, CIPHERS[suite].source) for suite in Suite]
    of_lines = (("Lines", LINES_SOURCE), ("Proving oneself", TRUST_SOURCE))
    known = [html.Div([html.Dt(what), html.Dd(source)]) for what, source in [*sources, *of_lines]]
    return html.Details(
        [
            html.Summary("Where the figures come from"),
            html.P("D: data sheet or standard. P: published measurement. E: our estimate.", className="muted small"),
            html.Dl(known, className="sources"),
        ],
        className="card",
    )


def _trust() -> Component:
    over = [LINKS[name] for name in ("wifi", "lte-m", "ethernet")]
    head = ("Act", "How often", "Bytes up", "Bytes down", "Computing", *(link.label for link in over))
    rows = [
        (
            act.label,
            act.often,
            f"{sum(act.up):,}",
            f"{sum(act.down):,}",
            f"{1e3 * act.busy_s:.0f} ms",
            *(words.energy(act.cost(link).total_j) for link in over),
        )
        for act in ACTS
    ]
    about = "On a processor of 64 MHz. Not in it: TLS, and the radio's tail, which a connection has without it too."
    return html.Div([html.P(about, className="small"), table(head, rows, numbers=range(2, len(head)))])


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
            card(
                "Security off and on, by line and cipher",
                "joules of a patient's day, uplink",
                graph("energy-lines", "Joules of a patient's day, by line and cipher"),
                html.Div(id="energy-ways"),
                span="span-12",
            ),
            card("What proving oneself costs a gateway", "modelled; bytes measured", _trust(), span="span-12"),
            card(
                "Security off and on, in time and under attack",
                "measured in the lab, synthetic traffic",
                lab_card(measured()),
                span="span-12",
            ),
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
    Output("energy-lines", "figure"),
    Output("energy-ways", "children"),
    Output("energy-devices", "children"),
)
def fill(user: User, filters: Filters) -> tuple[Any, ...]:
    """Fill the page from the minutes that the user may see."""
    summary = energy_summary(user, filters)
    record_list_access(user=user, patients=[entry.patient.pk for entry in summary.patients], what="analytics_energy")
    proof: Proof = partial(evidence_of, "energy", filters)
    compared = compare_lines(summary)
    return (
        _tiles(summary, proof),
        _over_time(summary, proof),
        _seal(summary, proof),
        _per_message(summary, proof),
        _per_patient(summary.patients, proof),
        _by_line(compared, proof),
        _ways(compared, proof),
        _devices(summary, proof),
    )


def _tiles(summary: EnergySummary, proof: Proof) -> list[Component]:
    total, uplink = summary.total, summary.uplink
    per_day = summary.joules_per_patient_day
    size, size_unit = words.data(uplink.payload_bytes + uplink.overhead_bytes)
    return [
        tile(
            "Energy in this period",
            *words.joules(total.joules),
            note=f"{uplink.messages:,} sealed frames",
            evidence=proof(),
        ),
        tile(
            "Per frame, both hops",
            *words.joules(total.joules / uplink.messages if uplink.messages else 0.0),
            evidence=proof(),
        ),
        tile("Per patient and day", *(words.joules(per_day) if per_day is not None else ("–", "")), evidence=proof()),
        tile("Sealed bytes", size, size_unit, note=f"{uplink.readings:,} readings", evidence=proof()),
        tile("Security, of all energy", words.share(total.security_j, total.joules), evidence=proof()),
    ]


def _over_time(summary: EnergySummary, proof: Proof) -> Figure:
    times = sorted({at for at, _ in summary.series})
    if not times:
        return message(NOTHING)
    links = sorted(summary.links, key=lambda link: -summary.links[link].joules)
    series = [Series(_label(link), [summary.series.get((at, link), 0.0) for at in times]) for link in links]
    proofs = [proof(since=at, until=at + summary.bucket) for at in times]
    return stacked(times, series, "J", summary.bucket, proofs)


def _seal(summary: EnergySummary, proof: Proof) -> Component:
    uplink = summary.uplink
    if not uplink.messages:
        return html.P(NOTHING, className="empty compact")
    plain_j = uplink.joules - uplink.security_j
    sealed_bytes = uplink.payload_bytes + uplink.overhead_bytes
    rows = [
        ("Bytes", " ".join(words.data(uplink.payload_bytes)), " ".join(words.data(sealed_bytes))),
        ("Energy", words.energy(plain_j), words.energy(uplink.joules)),
        ("Per frame", words.energy(plain_j / uplink.messages), words.energy(uplink.joules_per_message)),
    ]
    behind = proof(hop="uplink")
    proven = [(label, counted(without, behind), counted(sealed, behind)) for label, without, sealed in rows]
    share = f"{words.share(uplink.overhead_bytes, sealed_bytes)} of bytes, "
    share += f"{words.share(uplink.security_j, uplink.joules)} of energy"
    return html.Div(
        [
            table(("", "Without", "With seal"), proven, numbers=(1, 2)),
            html.P(["Header, tag and cipher take ", counted(html.Strong(share), behind), "."], className="small"),
        ]
    )


def _per_message(summary: EnergySummary, proof: Proof) -> Figure:
    links = [(link, sums) for link, sums in summary.links.items() if sums.messages]
    if not links:
        return message(NOTHING)
    links.sort(key=lambda entry: -entry[1].joules_per_message)
    values = [sums.joules_per_message * 1e3 for _, sums in links]
    shown = [words.energy(sums.joules_per_message) for _, sums in links]
    proofs = [proof(link=link) for link, _ in links]
    return bars([_label(link) for link, _ in links], values, "mJ", shown, proofs)


def _per_patient(patients: Sequence[PatientEnergy], proof: Proof) -> Figure:
    if not patients:
        return message(NOTHING)
    top = sorted(patients, key=lambda entry: -entry.joules_per_day)[:TOP]
    values = [entry.joules_per_day for entry in top]
    proofs = [proof(patient=entry.patient.pk) for entry in top]
    shown = [words.energy(value) for value in values]
    return bars([entry.patient.name for entry in top], values, "J a day", shown, proofs)


def _by_line(compared: Comparison | None, proof: Proof) -> Figure:
    if compared is None:
        return message(NO_LINE)
    values = [compared.joules_per_patient_day(way) for way in compared.ways]
    shown = [words.energy(value) for value in values]
    behind = [proof(hop="uplink") for _ in values]
    return bars([way.label for way in compared.ways], values, "J a day", shown, behind)


def _ways(compared: Comparison | None, proof: Proof) -> Component:
    if compared is None:
        return None
    head = ("Line", "Cipher", "Bytes up", "Bytes down", "Busy", "Per frame", "Patient's day", "Security")
    rows = [
        (
            f"{way.line.label}, {way.line.protection}" if way.suite else way.line.label,
            way.suite.facts.label if way.suite else "none",
            f"{way.up_bytes:,}",
            f"{way.down_bytes:,}",
            f"{way.busy_s * 1e3:.3g} ms",
            words.energy(way.cost.total_j),
            counted(words.energy(compared.joules_per_patient_day(way)), proof(hop="uplink")),
            words.share(way.cost.security_j, way.cost.total_j) if way.suite else "–",
        )
        for way in compared.ways
    ]
    about = (
        f"Counted: {compared.a_day:,.0f} frames a patient's day, {compared.payload_bytes:,.0f} bytes of readings each. "
        "Measured: what each line writes around a frame and its acknowledgement, by the libraries that write it. "
        f"Modelled: headers of {compared.link.label}, radio, processor and the radio's tail. Not in it: greetings, "
        "keep-alives, repetitions."
    )
    return html.Div([html.P(about, className="small"), table(head, rows, numbers=(2, 3, 4, 5, 6, 7))])


def _devices(summary: EnergySummary, proof: Proof) -> Component:
    patients: dict[UUID | None, str] = {entry.patient.pk: entry.patient.name for entry in summary.patients}
    head = ("Device", "With", "Messages", "Per message", "Security", "Energy")
    rows = [
        (
            html.A(entry.device.label, href=f"/devices/{entry.device.pk}/"),
            patients.get(entry.device.patient_id, "no patient"),
            counted(f"{entry.sums.messages:,}", proof(device=entry.device.pk)),
            counted(words.energy(entry.sums.joules_per_message), proof(device=entry.device.pk)),
            counted(words.share(entry.sums.security_j, entry.sums.joules), proof(device=entry.device.pk)),
            counted(words.energy(entry.sums.joules), proof(device=entry.device.pk)),
        )
        for entry in summary.devices[:TOP]
    ]
    return table(head, rows, numbers=(2, 3, 4, 5), empty=NOTHING)


def _label(link: str) -> str:
    return LINKS[link].label if link in LINKS else link
