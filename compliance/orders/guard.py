"""The dose guard: asked before a dose is recorded as given. Pure: order, history and clock arrive as arguments.

Limits are those of the order (a prescriber's, within the house's); amounts given of the same substance count together,
whatever the strength and whichever order they were given under.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from compliance.orders.prescription import DAY, over
from compliance.orders.units import amount_words

CHECK_HOLDS = timedelta(minutes=30)  # a drawn-up dose that waits longer is checked again
CLOCK_SLACK = timedelta(minutes=5)  # two clicks, two clocks


class Refusal(StrEnum):
    """Why a dose may not be recorded as given."""

    ORDER_NOT_BEGUN = "order_not_begun"
    ORDER_STOPPED = "order_stopped"
    ORDER_EXPIRED = "order_expired"
    IN_THE_FUTURE = "dose_in_the_future"
    WRONG_UNIT = "wrong_unit"
    NO_AMOUNT = "no_amount"
    SINGLE_DOSE = "single_dose_too_high"
    DAILY_DOSE = "daily_dose_too_high"
    TOO_SOON = "dose_too_soon"
    GIVEN_ALREADY = "dose_given_already"
    CHECK_MISSING = "double_check_missing"
    CHECK_BY_SAME_PERSON = "double_check_by_same_person"
    CHECK_OF_OTHER_DOSE = "double_check_of_other_dose"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the order allows. `ends_at` is the end of its last day; `stopped_at` when it was stopped or replaced."""

    unit: str
    max_single: float
    max_daily: float
    min_interval: timedelta
    starts_at: datetime
    ends_at: datetime | None = None
    stopped_at: datetime | None = None
    high_alert: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """A dose of the substance that was given and not corrected away."""

    at: datetime
    amount: float


@dataclass(frozen=True, slots=True)
class Check:
    """A second person's confirmation of one dose."""

    by: int
    at: datetime
    amount: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """The dose that somebody wants to record."""

    amount: float
    unit: str
    at: datetime
    by: int
    given_already: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal with the sentence for people."""

    reason: Refusal
    sentence: str


def refusal_of(
    terms: Terms, wanted: Wanted, given: Sequence[Given], check: Check | None, now: datetime
) -> Refused | None:
    """Return why the dose is refused, or None when it may be recorded. The order's state is judged before amounts."""
    return (
        _state(terms, wanted, now)
        or _amount(terms, wanted)
        or _history(terms, wanted, given)
        or (_double_check(wanted, check) if terms.high_alert else None)
    )


def _state(terms: Terms, wanted: Wanted, now: datetime) -> Refused | None:
    if wanted.at > now + CLOCK_SLACK:
        return Refused(Refusal.IN_THE_FUTURE, "A dose can be recorded once it was given, not before.")
    if wanted.given_already:
        return Refused(Refusal.GIVEN_ALREADY, "This dose is recorded as given. Correct that entry if it is wrong.")
    if wanted.at < terms.starts_at:
        return Refused(Refusal.ORDER_NOT_BEGUN, "The order did not hold yet at that time.")
    if terms.stopped_at is not None and wanted.at >= terms.stopped_at:
        return Refused(Refusal.ORDER_STOPPED, "The order was stopped or changed before that time. Look at the new one.")
    if terms.ends_at is not None and wanted.at >= terms.ends_at:
        return Refused(Refusal.ORDER_EXPIRED, "The order had run out by then. Ask the physician for a new one.")
    return None


def _amount(terms: Terms, wanted: Wanted) -> Refused | None:
    if wanted.unit != terms.unit:
        return Refused(Refusal.WRONG_UNIT, "The order is written in another unit.")
    if not wanted.amount > 0:  # refuses NaN too
        return Refused(Refusal.NO_AMOUNT, "Enter how much was given, or record the dose as withheld.")
    if over(wanted.amount, terms.max_single):
        limit = amount_words(terms.max_single, terms.unit)
        return Refused(Refusal.SINGLE_DOSE, f"Above the order's limit of {limit} for one dose.")
    return None


def _history(terms: Terms, wanted: Wanted, given: Sequence[Given]) -> Refused | None:
    """Judge every 24 hours that this dose falls into: an entry made late has doses after it, too."""
    for start in [wanted.at, *(dose.at for dose in given if wanted.at - DAY < dose.at <= wanted.at)]:
        total = wanted.amount + sum(dose.amount for dose in given if start <= dose.at < start + DAY)
        if over(total, terms.max_daily):
            limit, sum_words = amount_words(terms.max_daily, terms.unit), amount_words(total, terms.unit)
            return Refused(Refusal.DAILY_DOSE, f"Makes {sum_words} in 24 hours; the order's limit is {limit}.")
    nearest = min((abs(wanted.at - dose.at) for dose in given), default=None)
    if nearest is not None and nearest < terms.min_interval:
        hours = f"{terms.min_interval / timedelta(hours=1):.2g}"
        return Refused(Refusal.TOO_SOON, f"Less than {hours} hours lie between this dose and another one.")
    return None


def _double_check(wanted: Wanted, check: Check | None) -> Refused | None:
    if check is None or not -CLOCK_SLACK <= wanted.at - check.at <= CHECK_HOLDS:
        minutes = f"{CHECK_HOLDS / timedelta(minutes=1):.0f}"
        return Refused(
            Refusal.CHECK_MISSING, f"A colleague must check this dose, at most {minutes} minutes before it is given."
        )
    if check.by == wanted.by:
        return Refused(Refusal.CHECK_BY_SAME_PERSON, "The check must come from somebody else than who gives the dose.")
    if abs(check.amount - wanted.amount) > 1e-9 * wanted.amount:
        return Refused(Refusal.CHECK_OF_OTHER_DOSE, "Another amount was checked. Have this one checked.")
    return None
