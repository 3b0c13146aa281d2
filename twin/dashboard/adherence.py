"""The adherence page: days covered, doses on time, doses missed, and the risk of missing the next one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any

from dash import Output, html

from compliance.models import User
from twin.dashboard import words
from twin.dashboard.figures import Figure, Series, bars, message, stacked
from twin.dashboard.mount import HouseDash
from twin.dashboard.parts import Component, answers, card, frame, graph, table, tile
from twin.selectors.adherence import AdherenceSummary, PatientAdherence, adherence_summary
from twin.selectors.analytics import Filters

NOTHING = "No dose was due in this period."
NO_RISK = "No risk has been worked out yet: it needs a dose that is still to come."
STEPS = 5  # bars of the risk distribution, each 20 per cent wide
HIGH_RISK = 0.5

page = HouseDash(
    "adherence",
    "Adherence",
    "compliance.view_adherence",
    "Which doses were seen, and who may need a reminder. A dose that was not seen may still have been taken.",
    period="30d",
    by_kind=False,
)
page.layout = frame(
    "adherence-tiles",
    card("Days covered", "share of days with every dose seen", graph("adherence-pdc", "Days covered, by patient")),
    card("On time", "share of doses inside their window", graph("adherence-on-time", "Doses on time, by patient")),
    card("Doses not seen, by day", "", graph("adherence-missed", "Doses not seen, by day")),
    card(
        "Risk of missing the next dose",
        "",
        html.P("Learnt from synthetic training data", className="badge simulated"),
        graph("adherence-risk", "Patients by risk of missing the next dose"),
    ),
    card("Patients", "highest risk first", html.Div(id="adherence-table"), span="span-12"),
)


@answers(
    page,
    Output("adherence-tiles", "children"),
    Output("adherence-pdc", "figure"),
    Output("adherence-on-time", "figure"),
    Output("adherence-missed", "figure"),
    Output("adherence-risk", "figure"),
    Output("adherence-table", "children"),
)
def fill(user: User, filters: Filters) -> tuple[Any, ...]:
    """Fill the page from the doses of the patients whose medication the user may see."""
    summary = adherence_summary(user, filters)
    return (
        _tiles(summary),
        _shares(summary.patients, "pdc"),
        _shares(summary.patients, "on_time_rate"),
        _missed(summary),
        _risks(summary),
        _patients(summary.patients),
    )


def _tiles(summary: AdherenceSummary) -> list[Component]:
    doses = sum(entry.measures.doses for entry in summary.patients)
    risky = sum(risk.probability >= HIGH_RISK for risk in summary.risks)
    note = f"{summary.synthetic_doses:,} of them synthetic history" if summary.synthetic_doses else ""
    return [
        tile("Days covered, mean", _mean(summary.patients, "pdc")),
        tile("Doses on time, mean", _mean(summary.patients, "on_time_rate")),
        tile("Doses not seen", f"{sum(summary.missed_per_day.values()):,}", note=f"of {doses:,} due"),
        tile("Doses counted", f"{doses:,}", note=note),
        tile("Likely to miss the next dose", f"{risky}", note=f"of {len(summary.risks)} with an estimate, synthetic"),
    ]


def _mean(patients: Sequence[PatientAdherence], name: str) -> str:
    known = [value for entry in patients if (value := getattr(entry.measures, name)) is not None]
    return words.share(sum(known), len(known))


def _shares(patients: Sequence[PatientAdherence], name: str) -> Figure:
    known = [(entry.patient.name, getattr(entry.measures, name)) for entry in patients]
    rated = sorted(((label, value) for label, value in known if value is not None), key=lambda pair: pair[1])[:12]
    if not rated:
        return message(NOTHING)
    figure = bars(
        [label for label, _ in rated],
        [100 * value for _, value in rated],
        "%",
        [f"{100 * value:.0f} %" for _, value in rated],
    )
    figure.update_xaxes(range=[0, 118], tickvals=[0, 25, 50, 75, 100])
    return figure


def _missed(summary: AdherenceSummary) -> Figure:
    if not summary.missed_per_day:
        return message(NOTHING)
    days = [datetime.combine(day, time.min) for day in summary.missed_per_day]
    return stacked(days, [Series("not seen", list(summary.missed_per_day.values()))], "doses", timedelta(days=1))


def _risks(summary: AdherenceSummary) -> Figure:
    if not summary.risks:
        return message(NO_RISK)
    counts = [0] * STEPS
    for risk in summary.risks:
        counts[min(int(risk.probability * STEPS), STEPS - 1)] += 1
    labels = [f"{100 * step // STEPS}–{100 * (step + 1) // STEPS} %" for step in range(STEPS)]
    return bars(labels, counts, "patients", [str(count) for count in counts])


def _patients(patients: Sequence[PatientAdherence]) -> Component:
    ranked = sorted(patients, key=lambda entry: -(entry.risk.probability if entry.risk else -1.0))
    rows = [
        (
            html.A(entry.patient.name, href=f"/patients/{entry.patient.pk}/"),
            _percent(entry.measures.pdc),
            _percent(entry.measures.on_time_rate),
            entry.missed,
            f"{entry.measures.streak_days} d",
            _percent(entry.risk.probability) if entry.risk else "–",
        )
        for entry in ranked
    ]
    head = ("Patient", "Days covered", "On time", "Not seen", "In a row", "Risk, next dose (synthetic training data)")
    return table(head, rows, numbers=(1, 2, 3, 4, 5), empty=NOTHING)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"
