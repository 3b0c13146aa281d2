"""Orders, doses and entries in the words that the medication page shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from compliance.models import Administration, DoseCheck, MedicationOrder, Outcome, ScheduledDose, User
from compliance.orders.guard import CHECK_HOLDS
from compliance.orders.units import amount_words
from compliance.selectors.orders import checks_waiting, orders_of
from compliance.views.adherence_words import DoseLine, dose_line

SHORT_DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


@dataclass(frozen=True, slots=True)
class OrderCard:
    """One version of an order as shown."""

    order: MedicationOrder
    when: str
    window: str
    until: str


@dataclass(frozen=True, slots=True)
class DoseRow:
    """One dose of today under its order: what may be done about it now."""

    line: DoseLine
    order: MedicationOrder
    check: DoseCheck | None
    can_check: bool
    check_is_own: bool


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One entry as shown; a corrected one is struck out and says so."""

    entry: Administration
    time: str
    words: str
    note: str
    corrected: bool


def order_card(order: MedicationOrder) -> OrderCard:
    """Describe an order."""
    regimen = order.regimen
    days = "" if regimen.weekdays is None else " on " + ", ".join(SHORT_DAYS[day] for day in regimen.weekdays)
    return OrderCard(
        order=order,
        when=f"{', '.join(regimen.times)}{days or ', every day'}",
        window=f"from {regimen.early_minutes} min before to {regimen.late_minutes} min after",
        until=f"until {regimen.ends_on:%-d %b %Y}" if regimen.ends_on else "until stopped",
    )


def dose_rows(doses: Iterable[ScheduledDose], user: User, zone: ZoneInfo, now: datetime) -> list[DoseRow]:
    """Describe today's doses that have an order; a check that has grown too old is shown as none."""
    listed = list(doses)
    orders, checks = orders_of(listed), checks_waiting(listed, since=now - CHECK_HOLDS)
    rows = []
    for dose in listed:
        order = orders.get(dose.regimen_id)
        if order is None:
            continue
        line, check = dose_line(dose, zone, now), checks.get(dose.pk)
        can_check = bool(order.high_alert) and check is None and line.can_enter
        rows.append(DoseRow(line, order, check, can_check, check is not None and check.checked_by_id == user.pk))
    return rows


def entry_row(entry: Administration, zone: ZoneInfo) -> EntryRow:
    """Describe an entry: what, how much, why, by whom, checked by whom."""
    words = str(Outcome(entry.outcome).label)
    if entry.outcome == Outcome.GIVEN:
        words = f"{amount_words(entry.amount, entry.order.unit)} given"
    by = entry.recorded_by.display_name if entry.recorded_by else "an account that is gone"
    notes = [str(entry.get_reason_display())] if entry.reason else []
    notes.append(f"recorded by {by}")
    if entry.check_used is not None and entry.check_used.checked_by is not None:
        notes.append(f"checked by {entry.check_used.checked_by.display_name}")
    if entry.corrects_id is not None:
        notes.insert(0, "correction")
    corrected = hasattr(entry, "corrected_by")
    return EntryRow(entry, f"{entry.at.astimezone(zone):%-d %b %H:%M}", words, ", ".join(notes), corrected)
