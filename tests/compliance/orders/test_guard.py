"""The dose guard and what an order may say: pure functions, held to by properties."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.orders.formulary import FormularyWrong, formulary, read_formulary
from compliance.orders.guard import CHECK_HOLDS, Check, Given, Refusal, Terms, Wanted, refusal_of
from compliance.orders.prescription import DAY, Prescription, faults_of
from compliance.orders.units import amount_words

T0 = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TERMS = Terms("mg", max_single=10, max_daily=20, min_interval=4 * HOUR, starts_at=T0 - DAY)
NURSE, COLLEAGUE = 1, 2


def dose(amount: float = 10, at: datetime = T0, unit: str = "mg") -> Wanted:
    return Wanted(amount, unit, at, NURSE)


def reason(terms: Terms = TERMS, wanted: Wanted | None = None, past=(), check=None, now: datetime = T0):
    refused = refusal_of(terms, wanted or dose(), past, check, now)
    return refused and refused.reason


def test_guard_lets_a_dose_within_the_order_pass():
    assert reason() is None


@pytest.mark.parametrize(
    ("terms", "wanted", "expected"),
    [
        (TERMS, dose(10.5), Refusal.SINGLE_DOSE),
        (TERMS, dose(float("inf")), Refusal.SINGLE_DOSE),
        (TERMS, dose(float("nan")), Refusal.NO_AMOUNT),
        (TERMS, dose(-1), Refusal.NO_AMOUNT),
        (TERMS, dose(unit="ug"), Refusal.WRONG_UNIT),
        (TERMS, dose(at=T0 + HOUR), Refusal.IN_THE_FUTURE),
        (replace(TERMS, starts_at=T0 + HOUR), dose(), Refusal.ORDER_NOT_BEGUN),
        (replace(TERMS, stopped_at=T0), dose(), Refusal.ORDER_STOPPED),
        (replace(TERMS, ends_at=T0), dose(), Refusal.ORDER_EXPIRED),
        (TERMS, replace(dose(), given_already=True), Refusal.GIVEN_ALREADY),
    ],
)
def test_guard_names_why_it_refuses(terms, wanted, expected):
    assert reason(terms, wanted) is expected


def test_guard_refuses_what_makes_too_much_in_a_day_and_too_soon_after_another():
    past = [Given(T0 - 10 * HOUR, 10), Given(T0 - 5 * HOUR, 5)]
    assert reason(wanted=dose(5), past=past) is None
    assert reason(wanted=dose(5.1), past=past) is Refusal.DAILY_DOSE
    assert reason(wanted=dose(5), past=[Given(T0 - 3 * HOUR, 1)]) is Refusal.TOO_SOON


def test_an_entry_made_late_is_held_against_the_doses_after_it():
    later = [Given(T0 + 6 * HOUR, 10), Given(T0 + 12 * HOUR, 5)]
    assert reason(wanted=dose(6), past=later, now=T0 + DAY) is Refusal.DAILY_DOSE


@given(st.lists(st.tuples(st.integers(0, 96), st.floats(0.1, 12)), max_size=40))
def test_no_row_of_accepted_doses_ever_exceeds_a_limit(tries):
    """Whatever is tried in whatever order of entry: 24 hours never hold too much, and no two doses are too close."""
    taken: list[Given] = []
    for hours, amount in tries:
        at = T0 + hours * HOUR
        if refusal_of(TERMS, dose(amount, at), taken, None, T0 + 5 * DAY) is None:
            taken.append(Given(at, amount))
    taken.sort(key=lambda entry: entry.at)
    for first in taken:
        inside = sum(entry.amount for entry in taken if first.at <= entry.at < first.at + DAY)
        assert inside <= TERMS.max_daily * (1 + 1e-6)
    assert all(b.at - a.at >= TERMS.min_interval for a, b in pairwise(taken))
    assert all(entry.amount <= TERMS.max_single * (1 + 1e-6) for entry in taken)


HIGH_ALERT = replace(TERMS, high_alert=True)


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (None, Refusal.CHECK_MISSING),
        (Check(COLLEAGUE, T0 - CHECK_HOLDS - timedelta(seconds=1), 10), Refusal.CHECK_MISSING),
        (Check(NURSE, T0, 10), Refusal.CHECK_BY_SAME_PERSON),
        (Check(COLLEAGUE, T0, 9), Refusal.CHECK_OF_OTHER_DOSE),
        (Check(COLLEAGUE, T0, 10), None),
    ],
)
def test_a_high_alert_dose_needs_a_fresh_check_of_this_amount_by_somebody_else(check, expected):
    assert reason(HIGH_ALERT, check=check) is expected


def written(**changes) -> Prescription:
    plain = Prescription(formulary()["morphine-10"], 10, (time(8), time(14), time(20)), 10, 40, date(2026, 3, 1))
    return replace(plain, **changes)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"dose": 20}, "dose"),  # above the order's own limit
        ({"dose": 5}, "dose"),  # half a capsule
        ({"max_single": 21}, "max_single"),  # above the house's
        ({"max_daily": 121}, "max_daily"),
        ({"max_daily": 20}, "times"),  # three times ten
        ({"times": ()}, "times"),
        ({"times": (time(8), time(10))}, "times"),  # two hours apart
        ({"times": (time(1), time(22))}, "times"),  # three hours apart over midnight
        ({"weekdays": frozenset()}, "weekdays"),
        ({"ends_on": date(2026, 2, 1)}, "ends_on"),
        ({"max_single": float("nan")}, "dose"),
    ],
)
def test_an_order_that_cannot_hold_is_refused_at_its_field(changes, field):
    assert field in faults_of(written(**changes))


def test_an_order_within_its_limits_has_no_faults():
    assert faults_of(written()) == {}


def test_a_weekly_medicine_cannot_be_ordered_daily():
    weekly = written(drug=formulary()["methotrexate-2.5"], dose=10, times=(time(8),), max_single=15, max_daily=15)
    assert "times" in faults_of(weekly)
    assert faults_of(replace(weekly, weekdays=frozenset({0}))) == {}


def test_the_formulary_names_high_alert_classes_and_limits_for_every_drug():
    classes = {drug.high_alert for drug in formulary().values()} - {""}
    assert {"insulin", "opioid", "anticoagulant", "potassium"} <= classes
    assert all(drug.max_single <= drug.max_daily for drug in formulary().values())


@pytest.mark.parametrize(
    "changes", [{"max_single": 9e9}, {"min_hours": 0}, {"key": "ramipril-5"}, {"unit": "g", "key": "other"}]
)
def test_a_formulary_that_contradicts_itself_is_refused(changes):
    ramipril = {
        "key": "ramipril-5", "atc": "C09AA05", "name": "Ramipril", "strength": "5 mg", "form": "tablet", "unit": "mg",
        "per_piece": 5, "part": 0.5, "max_single": 10, "max_daily": 10, "min_hours": 8,
    }  # fmt: skip
    with pytest.raises(FormularyWrong):
        read_formulary([ramipril, {**ramipril, "key": "second", **changes}])


def test_units_cannot_be_misread():
    assert amount_words(12.0, "[iU]") == "12 units"
    assert amount_words(0.5, "ug") == "0.5 mcg"
    assert amount_words(22500, "[iU]") == "22,500 units"
