"""What stands behind one planned dose: the order, the double check, the entry, and what the pillbox saw."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.urls import reverse

from compliance.models import Administration, DoseCheck, Event, MedicationOrder, ScheduledDose
from twin.selectors.evidence import Fact, Panel


def dose_panel(dose: ScheduledDose) -> Panel:
    """Return every fact about a dose that is on record, each leading to its own proof."""
    title = f"{dose.regimen.medication}, due {_at(dose, dose.due_at)}"
    facts = [Fact("State", dose.state), *_order(dose), *_checks(dose), *_entries(dose)]
    if dose.intake_id is not None:
        facts.append(Fact("Seen or entered", "what was taken, and who or what saw it", _intake(dose.intake_id)))
    if dose.synthetic:
        return Panel(title, "Made up for the demonstration: nobody was given this dose.", facts)
    return Panel(title, "Each line leads to its entry in the log, or to what was measured.", facts)


def _order(dose: ScheduledDose) -> Iterator[Fact]:
    orders = MedicationOrder.objects.filter(regimen=dose.regimen).order_by("-prescribed_at")
    order = orders.filter(prescribed_at__lte=dose.due_at).first() or orders.last()
    if order is None:
        yield Fact("Ordered", "by an earlier plan, without an order in this system")
        return
    who = order.prescribed_by.display_name if order.prescribed_by else "an earlier plan"
    words = f"{order.dose_words}, version {order.version}, by {who}"
    yield Fact("Ordered", words, _event(dose, "dose_ordered", order=order.pk))


def _checks(dose: ScheduledDose) -> Iterator[Fact]:
    for check in DoseCheck.objects.filter(dose=dose).select_related("checked_by").order_by("checked_at"):
        who = check.checked_by.display_name if check.checked_by else "somebody"
        words = f"{check.amount_words}, by {who}, {_at(dose, check.checked_at)}"
        yield Fact("Double check", words, _event(dose, "dose_checked", check=check.pk))


def _entries(dose: ScheduledDose) -> Iterator[Fact]:
    for entry in (
        Administration.objects.filter(dose=dose).select_related("recorded_by", "order").order_by("recorded_at")
    ):
        who = entry.recorded_by.display_name if entry.recorded_by else "somebody"
        amount = f"{entry.amount:g} {entry.order.unit}, " if entry.amount else ""
        words = f"{amount}recorded by {who}, {_at(dose, entry.recorded_at)}"
        link = _event(dose, f"dose_{entry.outcome}", administration=entry.pk)
        yield Fact(entry.get_outcome_display().capitalize(), words, link)


def _event(dose: ScheduledDose, code: str, **named: int) -> str:
    """Return where the evidence of the event is that told of this; empty when none is on record."""
    about = Q(**{f"detail__{name}": value for name, value in named.items()})
    found = Event.objects.filter(about, patient=dose.patient_id, code=code).order_by("pk").first()
    return reverse("twin:event_evidence", args=[found.pk]) if found else ""


def _intake(intake_id: int) -> str:
    return reverse("twin:intake_evidence", args=[intake_id])


def _at(dose: ScheduledDose, at: datetime) -> str:
    return f"{at.astimezone(ZoneInfo(dose.patient.time_zone)):%-d %b %Y %H:%M}"
