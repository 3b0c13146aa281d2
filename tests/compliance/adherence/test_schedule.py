"""Clock times become moments, across the days on which the clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.adherence.schedule import Plan, expand, moment

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago", "UTC"]


def _plan(*times: time, **more: object) -> Plan:
    return Plan(times=times, time_zone=BERLIN, starts_on=date(2026, 1, 1), **more)  # type: ignore[arg-type]


def _expand(plan: Plan, first: str, last: str):
    return expand(plan, datetime.fromisoformat(first), datetime.fromisoformat(last))


def test_clock_time_stays_the_same_while_utc_moves_with_summer_time():
    doses = _expand(_plan(time(8)), "2026-03-28T00:00+00:00", "2026-03-30T00:00+00:00")
    assert [dose.due_at.hour for dose in doses] == [7, 6]
    assert {dose.due_at.astimezone(BERLIN).hour for dose in doses} == {8}


def test_skipped_clock_time_moves_on_by_the_skipped_hour():
    assert moment(date(2026, 3, 29), time(2, 30), BERLIN) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert moment(date(2026, 3, 29), time(2, 30), BERLIN).astimezone(BERLIN).time() == time(3, 30)


def test_repeated_clock_time_means_the_first_and_gives_one_dose():
    doses = _expand(_plan(time(2, 30)), "2026-10-24T22:00+00:00", "2026-10-25T22:00+00:00")
    assert [dose.due_at for dose in doses] == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC)]


def test_two_times_that_a_clock_change_makes_one_moment_are_one_dose():
    doses = _expand(_plan(time(2, 30), time(3, 30)), "2026-03-28T22:00+00:00", "2026-03-29T22:00+00:00")
    assert len(doses) == 1


def test_window_is_a_length_of_real_time():
    plan = _plan(time(1, 30), early=timedelta(minutes=30), late=timedelta(hours=1))
    (dose,) = _expand(plan, "2026-03-28T22:00+00:00", "2026-03-29T22:00+00:00")
    assert dose.closes_at - dose.due_at == timedelta(hours=1)
    assert dose.due_at - dose.opens_at == timedelta(minutes=30)


def test_weekdays_and_last_day_are_kept():
    plan = _plan(time(8), weekdays=frozenset({0, 3}), ends_on=date(2026, 6, 11))
    days = [dose.local_date for dose in _expand(plan, "2026-06-01T00:00+00:00", "2026-07-01T00:00+00:00")]
    assert days == [date(2026, 6, 1), date(2026, 6, 4), date(2026, 6, 8), date(2026, 6, 11)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"times": ()},
        {"times": (time(8), time(8))},
        {"weekdays": frozenset({7})},
        {"weekdays": frozenset()},
        {"late": timedelta(0)},
    ],
)
def test_impossible_plan_is_refused(wrong):
    with pytest.raises(ValueError):
        Plan(**{"times": (time(8),), "time_zone": BERLIN, "starts_on": date(2026, 1, 1)} | wrong)


@given(
    zone=st.sampled_from(ZONES),
    offset=st.integers(0, 700 * 24 * 60),
    hours=st.integers(1, 400),
    cut=st.floats(0, 1),
    clocks=st.sets(st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30])), min_size=1, max_size=4),
)
def test_expanding_in_two_parts_gives_the_same_doses_as_at_once(zone, offset, hours, cut, clocks):
    start = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(minutes=offset)
    plan = Plan(times=tuple(sorted(clocks)), time_zone=ZoneInfo(zone), starts_on=date(2026, 1, 1))
    end = start + timedelta(hours=hours)
    middle = start + (end - start) * cut
    whole = expand(plan, start, end)
    assert expand(plan, start, middle) + expand(plan, middle, end) == whole
    assert all(start <= dose.due_at < end for dose in whole)
    assert [dose.due_at for dose in whole] == sorted({dose.due_at for dose in whole})
