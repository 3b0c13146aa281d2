"""What an order may say. Every refusal names the field and the reason, so that the form can show it in its place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise

from compliance.orders.formulary import Drug
from compliance.orders.units import amount_words

DAY = timedelta(hours=24)
CLOSE_ENOUGH = 1e-9  # relative: amounts are decimal, floats are not


@dataclass(frozen=True, slots=True)
class Prescription:
    """An order as written. Amounts are in the drug's unit; weekdays are 0 (Monday) to 6, None is every day."""

    drug: Drug
    dose: float
    times: tuple[time, ...]
    max_single: float
    max_daily: float
    starts_on: date
    ends_on: date | None = None
    weekdays: frozenset[int] | None = None
    early_minutes: int = 60
    late_minutes: int = 60
    in_pillbox: bool = False

    @property
    def pieces(self) -> float:
        """How many tablets, or units of a liquid, one dose is."""
        return self.dose / self.drug.per_piece

    @property
    def daily_dose(self) -> float:
        """What a day with all its doses adds up to."""
        return self.dose * len(self.times)


def over(amount: float, limit: float) -> bool:
    """Tell whether `amount` lies above `limit` by more than rounding; what is no number is over any limit."""
    return not amount <= limit * (1 + CLOSE_ENOUGH)


def faults_of(wanted: Prescription) -> dict[str, str]:
    """Return what is wrong with an order: field -> sentence. Empty when it may be written."""
    faults = {**_times(wanted), **_limits(wanted)}
    parts = wanted.pieces / wanted.drug.part
    if wanted.dose <= 0 or abs(parts - round(parts)) > CLOSE_ENOUGH * max(parts, 1) or round(parts) == 0:
        step = amount_words(wanted.drug.part * wanted.drug.per_piece, wanted.drug.unit)
        faults["dose"] = f"{wanted.drug.name} can be given in steps of {step}."
    if wanted.ends_on is not None and wanted.ends_on < wanted.starts_on:
        faults["ends_on"] = "The last day lies before the first."
    if wanted.in_pillbox and wanted.drug.weight_g is None:
        faults["in_pillbox"] = f"{wanted.drug.name} is no tablet and cannot lie in a pillbox."
    return faults


def _limits(wanted: Prescription) -> dict[str, str]:
    """Check dose <= order's limit <= house's limit, for one dose and for a day."""
    drug, faults = wanted.drug, {}
    for field, own, house, what in (
        ("max_single", wanted.max_single, drug.max_single, "a single dose"),
        ("max_daily", wanted.max_daily, drug.max_daily, "24 hours"),
    ):
        if own <= 0 or over(own, house):
            faults[field] = f"The hard limit for {what} of {drug.name} is {amount_words(house, drug.unit)}."
    if over(wanted.dose, wanted.max_single):
        faults["dose"] = "The dose lies above the order's own limit for a single dose."
    if over(wanted.daily_dose, wanted.max_daily):
        day = amount_words(wanted.daily_dose, drug.unit)
        faults["times"] = f"These times make {day} in 24 hours, above the order's own limit for a day."
    return faults


def _times(wanted: Prescription) -> dict[str, str]:
    if not wanted.times or len(set(wanted.times)) != len(wanted.times):
        return {"times": "Name each time of day once, and at least one."}
    if wanted.weekdays is not None and (not wanted.weekdays or not wanted.weekdays <= set(range(7))):
        return {"weekdays": "Choose at least one day of the week."}
    shortest = _shortest_gap(wanted)
    if shortest is not None and shortest < timedelta(hours=wanted.drug.min_hours):
        hours = f"{wanted.drug.min_hours:g}"
        return {"times": f"Doses of {wanted.drug.name} must lie at least {hours} hours apart."}
    return {}


def _shortest_gap(wanted: Prescription) -> timedelta | None:
    """Return the shortest time between two doses of the plan, the last and first of the week included."""
    days = sorted(wanted.weekdays if wanted.weekdays is not None else range(7))
    monday = datetime(2001, 1, 1)  # noqa: DTZ001 -- clock times of any week; a time zone would add a clock change
    due = [datetime.combine(monday + timedelta(days=day), clock) for day in days for clock in sorted(wanted.times)]
    gaps = [later - earlier for earlier, later in pairwise([*due, due[0] + timedelta(days=7)])]
    return min(gaps, default=None)
