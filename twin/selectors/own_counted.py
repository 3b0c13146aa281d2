"""The rows behind each count of the patient's own page: the newest ones by day, each leading to what proves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from django.apps import apps
from django.db.models import QuerySet
from django.urls import reverse

from compliance.errors import NotFound
from compliance.models import AccessRecord, Patient
from compliance.selectors.accesses import disclosures_of
from compliance.views.privacy_words import look_of, words_of_part
from devices.kinds.registry import by_key
from twin.selectors.evidence import Fact, Panel
from twin.selectors.own_evidence import event_of_decision
from twin.selectors.own_record import SHOWN, slug_of

ROWS = 25  # of a panel; it says how many there are
DISCLOSURES = "looks"  # the accounting: everybody's looks but the patient's own
COUNTED = "These are the rows that were counted. Those that are underlined open what proves them."


def counted_panel(patient: Patient, slug: str) -> Panel:
    """Return the rows behind one count of what is held. Raises NotFound for a kind that is not on the page."""
    if slug == DISCLOSURES:
        rows: QuerySet[Any] = disclosures_of(patient)
        return _panel("Who looked", rows, "at", patient, _look)
    for label, kind in SHOWN.items():
        if slug_of(label) == slug:
            manager = apps.get_model(label)._default_manager
            rows = manager.filter(**{kind.path: patient.pk}).order_by(f"-{kind.moment}", "-pk")
            return _panel(kind.words, rows, kind.moment, patient, SAID.get(label, _plain))
    raise NotFound


def _panel(
    title: str, rows: QuerySet[Any], moment: str, patient: Patient, said: Callable[[Any, Patient], tuple[str, str]]
) -> Panel:
    zone, count = ZoneInfo(patient.time_zone), rows.count()
    more = f"; the newest {ROWS} follow" if count > ROWS else ""
    facts = [Fact("Counted", f"{count:,}{more}")]
    for row in rows[:ROWS]:
        at = getattr(row, moment)
        facts.append(Fact(f"{at.astimezone(zone):%-d %b %Y %H:%M}" if at else "no date", *said(row, patient)))
    return Panel(title, COUNTED, facts)


def _plain(_row: Any, _patient: Patient) -> tuple[str, str]:
    return "one entry", ""


def _evidence(name: str, row: Any) -> str:
    return reverse(f"twin:own_{name}_evidence", args=[row])


def _look(row: AccessRecord, patient: Patient) -> tuple[str, str]:
    look = look_of(row, ZoneInfo(patient.time_zone))
    return f"{look.who}, {look.role}: {words_of_part(row.what)}", _evidence("look", row.pk)


def _worn(row: Any, _patient: Patient) -> tuple[str, str]:
    return f"{row.device.label}" + ("" if row.ends_at else ", still worn"), ""


def _observed(row: Any, _patient: Patient) -> tuple[str, str]:
    if row.metric == "bp":
        return f"Pressure {row.value:g}/{row.second:g} mmHg, from another place: no device of ours proves it", ""
    measured = by_key(row.metric)
    words = f"{measured.label} {row.value:.{measured.decimals}f} {measured.unit_label}"
    return f"{words}, from another place: no device of ours proves it", ""


def _dose(row: Any, _patient: Patient) -> tuple[str, str]:
    return f"{row.regimen.medication}: {row.state}", _evidence("dose", row.pk)


def _of_dose(row: Any, _patient: Patient) -> tuple[str, str]:
    return "the dose that it belongs to", _evidence("dose", row.dose_id) if row.dose_id else ""


def _intake(row: Any, _patient: Patient) -> tuple[str, str]:
    return str(row.finding), _evidence("intake", row.pk)


def _risk(row: Any, _patient: Patient) -> tuple[str, str]:
    return f"{row.probability * 100:.0f} %", _evidence("risk", row.dose_id)


def _event(row: Any, _patient: Patient) -> tuple[str, str]:
    times = f", {row.count} times" if row.count > 1 else ""
    return f"{row.message}{times}", _evidence("event", row.pk)


def _entry(row: Any, _patient: Patient) -> tuple[str, str]:
    place = "waits for its place" if row.leaf_index is None else f"place {row.leaf_index}"
    return f"{row.kind.replace('_', ' ')}, {place}", _evidence("event", row.event_id) if row.event_id else ""


def _decision(row: Any, _patient: Patient) -> tuple[str, str]:
    event = event_of_decision(row)
    return ("allowed" if row.given else "not allowed"), _evidence("event", event.pk) if event else ""


def _study(row: Any, _patient: Patient) -> tuple[str, str]:
    return f"{row.modality} {row.description}".strip() or "images", _evidence("study", row.pk)


def _alert(row: Any, _patient: Patient) -> tuple[str, str]:
    return row.message, _evidence("alert", row.pk)


def _forecast(_row: Any, _patient: Patient) -> tuple[str, str]:
    return "glucose", reverse("twin:own_forecast_evidence")


SAID: Mapping[str, Callable[[Any, Patient], tuple[str, str]]] = {
    "devices.DeviceAssignment": _worn,
    "devices.ExternalObservation": _observed,
    "compliance.ScheduledDose": _dose,
    "compliance.DoseCheck": _of_dose,
    "compliance.Administration": _of_dose,
    "compliance.Intake": _intake,
    "compliance.RiskEstimate": _risk,
    "compliance.Event": _event,
    "compliance.LogEntry": _entry,
    "compliance.AccessRecord": _look,
    "compliance.Consent": _decision,
    "imaging.Study": _study,
    "twin.Alert": _alert,
    "twin.Prediction": _forecast,
}
