"""The adherence page: days covered, doses on time, doses missed, and the risk of missing the next one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any

from dash import Output, html
from django.urls import reverse

from compliance.models import RiskEstimate, User
from compliance.services.accesses import record_list_access
from twin.dashboard import words
from twin.dashboard.figures import Figure, Series, bars, message, stacked
from twin.dashboard.mount import HouseDash
from twin.dashboard.parts import Component, Proof, answers, card, counted, evidence_of, frame, graph, table, tile
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
    named = [entry.patient.pk for entry in summary.patients]
    record_list_access(user=user, patients=named, what="analytics_adherence")
    return (
        _tiles(summary, partial(evidence_of, "adherence", filters)),
        _shares(summary.patients, "pdc", partial(evidence_of, "adherence", filters)),
        _shares(summary.patients, "on_time_rate", partial(evidence_of, "adherence", filters)),
        _missed(summary, partial(evidence_of, "adherence", filters)),
        _risks(summary, partial(evidence_of, "adherence", filters)),
        _patients(summary.patients, partial(evidence_of, "adherence", filters)),
    )


def _tiles(summary: AdherenceSummary, proof: Proof) -> list[Component]:
    doses = sum(entry.measures.doses for entry in summary.patients)
    risky = sum(risk.probability >= HIGH_RISK for risk in summary.risks)
    note = f"{summary.synthetic_doses:,} of them synthetic history" if summary.synthetic_doses else ""
    return [
        tile("Days covered, mean", _mean(summary.patients, "pdc"), evidence=proof()),
        tile("Doses on time, mean", _mean(summary.patients, "on_time_rate"), evidence=proof()),
        tile(
            "Doses not seen",
            f"{sum(summary.missed_per_day.values()):,}",
            note=f"of {doses:,} due",
            evidence=proof(missed="1"),
        ),
        tile("Doses counted", f"{doses:,}", note=note, evidence=proof()),
        tile(
            "Likely to miss the next dose",
            f"{risky}",
            note=f"of {len(summary.risks)} with an estimate, synthetic",
            evidence=proof(risk_from=HIGH_RISK),
        ),
    ]


def _mean(patients: Sequence[PatientAdherence], name: str) -> str:
    known = [value for entry in patients if (value := getattr(entry.measures, name)) is not None]
    return words.share(sum(known), len(known))


def _shares(patients: Sequence[PatientAdherence], name: str, proof: Proof) -> Figure:
    known = [(entry.patient, getattr(entry.measures, name)) for entry in patients]
    rated = sorted(((who, value) for who, value in known if value is not None), key=lambda pair: pair[1])[:12]
    if not rated:
        return message(NOTHING)
    figure = bars(
        [who.name for who, _ in rated],
        [100 * value for _, value in rated],
        "%",
        [f"{100 * value:.0f} %" for _, value in rated],
        [proof(patient=who.pk) for who, _ in rated],
    )
    figure.update_xaxes(range=[0, 118], tickvals=[0, 25, 50, 75, 100])
    return figure


def _missed(summary: AdherenceSummary, proof: Proof) -> Figure:
    if not summary.missed_per_day:
        return message(NOTHING)
    days = [datetime.combine(day, time.min) for day in summary.missed_per_day]
    series = [Series("not seen", list(summary.missed_per_day.values()))]
    starts = [day.replace(tzinfo=UTC) for day in days]
    proofs = [proof(since=at, until=at + timedelta(days=1), missed="1") for at in starts]
    return stacked(days, series, "doses", timedelta(days=1), proofs)


def _risks(summary: AdherenceSummary, proof: Proof) -> Figure:
    if not summary.risks:
        return message(NO_RISK)
    counts = [0] * STEPS
    for risk in summary.risks:
        counts[min(int(risk.probability * STEPS), STEPS - 1)] += 1
    labels = [f"{100 * step // STEPS}–{100 * (step + 1) // STEPS} %" for step in range(STEPS)]
    # A risk of 1 stands in the last bar, which has no upper end.
    ends: list[float | None] = [*((step + 1) / STEPS for step in range(STEPS - 1)), None]
    proofs = [proof(risk_from=step / STEPS, risk_to=end) for step, end in enumerate(ends)]
    return bars(labels, counts, "patients", [str(count) for count in counts], proofs)


def _patients(patients: Sequence[PatientAdherence], proof: Proof) -> Component:
    ranked = sorted(patients, key=lambda entry: -(entry.risk.probability if entry.risk else -1.0))
    rows = [
        (
            html.A(entry.patient.name, href=f"/patients/{entry.patient.pk}/"),
            counted(_percent(entry.measures.pdc), proof(patient=entry.patient.pk)),
            counted(_percent(entry.measures.on_time_rate), proof(patient=entry.patient.pk)),
            counted(str(entry.missed), proof(patient=entry.patient.pk, missed="1")),
            counted(f"{entry.measures.streak_days} d", proof(patient=entry.patient.pk)),
            _risk(entry.risk),
        )
        for entry in ranked
    ]
    head = ("Patient", "Days covered", "On time", "Not seen", "In a row", "Risk, next dose (synthetic training data)")
    return table(head, rows, numbers=(1, 2, 3, 4, 5), empty=NOTHING)


def _risk(risk: RiskEstimate | None) -> Component:
    if risk is None:
        return "–"
    return counted(_percent(risk.probability), reverse("twin:risk_evidence", args=[risk.dose_id]))


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"
