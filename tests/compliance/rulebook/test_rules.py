"""What the house's rules find and what they let pass."""

from __future__ import annotations

import pytest

from tests.compliance.rulebook.logs import ANN, BEN, HOUR, MINUTE, checked, fact, found, given, iso, ordered

DOSE, CHECK, ALARM = "dose-within-order", "double-check", "alarm-answered"


def test_a_dose_within_its_order_is_no_finding():
    assert found(DOSE, ordered(), given(HOUR), given(9 * HOUR, dose=2)) == []


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ([given(HOUR)], [("order-stands", (0,))]),
        ([ordered(), fact(1, "dose_order_stopped", order=1), given(HOUR)], [("order-stands", (0, 2))]),
        ([ordered(), ordered(1, order=2, supersedes=1), given(HOUR)], [("order-stands", (0, 2))]),
        ([ordered(ends_at=iso(HOUR)), given(HOUR)], [("order-stands", (0, 1))]),
        ([ordered(), given(HOUR, amount=61)], [("single-dose", (0, 1))]),
        ([ordered(), given(HOUR, amount=None)], [("single-dose", (0, 1))]),
        ([ordered(), given(HOUR, unit="g")], [("same-unit", (0, 1))]),
        ([ordered(), given(HOUR), given(2 * HOUR, dose=2)], [("apart", (0, 1, 2))]),
        (
            [ordered(), given(HOUR), given(9 * HOUR, dose=2), given(17 * HOUR, dose=3)],
            [("daily-dose", (0, 1, 2, 3))],
        ),
    ],
)
def test_each_way_out_of_the_order_is_found_with_its_proof(log, expected):
    assert found(DOSE, *log) == expected


def test_a_dose_recorded_late_is_judged_by_the_time_at_which_it_was_given():
    stopped = fact(2 * HOUR, "dose_order_stopped", order=1)
    assert found(DOSE, ordered(), stopped, given(3 * HOUR, given_at=iso(HOUR))) == []
    assert found(DOSE, ordered(), stopped, given(3 * HOUR, given_at=iso(2.5 * HOUR))) == [("order-stands", (0, 2))]


def test_a_correction_takes_the_place_of_what_it_corrects():
    twice = [ordered(), given(HOUR, amount=60), given(9 * HOUR, dose=2, amount=60)]
    assert found(DOSE, *twice) == [("daily-dose", (0, 1, 2))]
    void = fact(2 * HOUR, "dose_void", administration=9, corrects=1)
    assert found(DOSE, twice[0], twice[1], void, twice[2]) == []
    less = given(2 * HOUR, administration=9, corrects=1, amount=30, entry="correction")
    assert found(DOSE, twice[0], twice[1], less, twice[2]) == []


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ([checked(0), given(10 * MINUTE)], []),
        ([given(0)], [("checked", (0,))]),
        ([checked(0), given(40 * MINUTE)], [("checked", (0, 1))]),
        ([checked(0, actor=ANN), given(10)], [("checked", (0, 1))]),
        ([checked(0, dose=2), given(10)], [("checked", (1,))]),
        ([checked(0, amount=30), given(10)], [("checked", (1,))]),
        ([checked(0), given(10), given(20)], [("checked", (2,))]),  # one check serves one dose
        ([given(0, high_alert=False)], []),
        ([checked(0), given(10), given(20, entry="correction")], []),
        ([checked(0, amount=40.0), given(10, amount=40)], []),  # one number, written in two ways
    ],
)
def test_a_high_alert_dose_needs_somebody_elses_check(log, expected):
    assert found(CHECK, *log) == expected


def alarm(at_s: float, alert: int = 1, priority: str = "high"):
    return fact(at_s, "alert_raised", None, alert=alert, priority=priority)


def answer(at_s: float, alert: int = 1, code: str = "alert_acknowledged"):
    return fact(at_s, code, BEN, alert=alert)


def later(at_s: float):
    return fact(at_s, "clock_told", None)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ([alarm(0), answer(5 * MINUTE), later(HOUR)], []),
        ([alarm(0), later(5 * MINUTE)], []),
        ([alarm(0), later(5 * MINUTE + 1)], [("answered", (0, 1))]),
        ([alarm(0), answer(6 * MINUTE), later(HOUR)], [("answered", (0, 1))]),
        ([alarm(0), answer(MINUTE, alert=2), later(HOUR)], [("answered", (0, 2))]),
        ([alarm(0), answer(MINUTE, code="alert_ended"), later(HOUR)], []),
        ([alarm(0, priority="medium"), later(14 * MINUTE)], []),
        ([alarm(0, priority="medium"), later(16 * MINUTE)], [("answered", (0, 1))]),
        ([alarm(0, priority="low"), later(2 * HOUR)], []),
    ],
)
def test_alarms_are_answered_in_time_by_priority(log, expected):
    assert found(ALARM, *log) == expected


STEP_UP_CODES = [("configuration-step-up", "policy_activated"), ("export-step-up", "report_downloaded")]


@pytest.mark.parametrize(("rule", "code"), STEP_UP_CODES)
def test_changes_and_exports_want_the_second_factor_of_the_same_person(rule, code):
    proved = fact(0, "second_factor_proved")
    assert found(rule, proved, fact(5 * MINUTE, code)) == []
    assert found(rule, proved, fact(7 * MINUTE, code)) == [("fresh", (0, 1))]
    assert found(rule, fact(0, "second_factor_proved", BEN), fact(1, code)) == [("fresh", (1,))]
    assert found(rule, fact(1, code, None)) == []  # a command on the server


def test_a_program_with_a_token_needs_no_second_factor_for_an_export():
    assert found("export-step-up", fact(0, "export_started", by_token=True)) == []
    assert found("export-step-up", fact(0, "export_started", by_token=False)) == [("fresh", (0,))]


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ([fact(0, "record_viewed", basis="ward")], []),
        ([fact(0, "records_listed", basis="name")], []),
        ([fact(0, "record_viewed", basis="none")], [("tie", (0,))]),
        ([fact(0, "record_viewed")], [("tie", (0,))]),
        ([fact(0, "record_viewed", basis="break_glass")], [("tie", (0,))]),
        ([fact(0, "record_opened_in_emergency"), fact(MINUTE, "record_viewed", basis="break_glass")], []),
        (
            [fact(0, "record_opened_in_emergency", BEN), fact(MINUTE, "record_viewed", basis="break_glass")],
            [("tie", (1,))],
        ),
        (
            [fact(0, "record_opened_in_emergency"), fact(25 * HOUR, "record_viewed", basis="break_glass")],
            [("tie", (0, 1))],
        ),
    ],
)
def test_whoever_opens_a_record_is_tied_to_the_patient(log, expected):
    assert found("access-with-relationship", *log) == expected


def test_an_emergency_access_is_judged_in_three_days_by_somebody_else():
    opened, later = fact(0, "record_opened_in_emergency", access="a"), fact(80 * HOUR, "clock_told")
    judged = [fact(HOUR, "emergency_access_judged", who, access="a") for who in (ANN, BEN)]
    assert found("emergency-reviewed", opened, judged[1], later) == []
    assert found("emergency-reviewed", opened, judged[0], later) == [("judged", (0, 2))]
    assert found("emergency-reviewed", opened, later) == [("judged", (0, 1))]


def test_a_head_is_cosigned_in_a_quarter_of_an_hour():
    asked, later = fact(0, "witnesses_asked", None, asked=1), fact(HOUR, "clock_told", None)
    answered = [fact(at_s, "witnesses_answered", None, asked=1) for at_s in (10 * MINUTE, 20 * MINUTE)]
    assert found("witnessed-in-time", asked, answered[0], later) == []
    assert found("witnessed-in-time", asked, answered[1], later) == [("cosigned", (0, 1))]


def test_a_record_is_erased_after_somebody_else_approved_it():
    approved = fact(0, "erasure_approved", erasure="e", by_another=True)
    alone = fact(0, "erasure_approved", erasure="e", by_another=False)
    erased = fact(90 * 24 * HOUR, "record_erased", None, erasure="e")
    assert found("erasure-by-two", approved, erased) == []
    assert found("erasure-by-two", alone, erased) == [("approved", (1,))]
    assert found("erasure-by-two", erased) == [("approved", (0,))]
    assert found("erasure-by-two", fact(0, "erasure_approved", erasure="f", by_another=True), erased) == [
        ("approved", (1,))
    ]
