"""Cursors, filters and lanes of a timeline."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.timeline.entry import Asked, Cursor, Entry, Lane, newest_first
from twin.timeline.lanes import lane_of

moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
keys = st.from_regex(r"[a-z][0-9]{1,6}", fullmatch=True)
entries = st.builds(Entry, at=moments, key=keys, lane=st.sampled_from(Lane), text=st.just("x"))


@given(moments, keys)
def test_a_cursor_comes_back_from_its_text(at, key):
    assert Cursor.read(str(Cursor(at, key))) == Cursor(at, key)


@given(st.text(max_size=30))
def test_no_text_breaks_a_cursor(text):
    assert isinstance(Cursor.read(text), Cursor)


@given(st.lists(entries, min_size=1, max_size=30, unique_by=lambda entry: (entry.at, entry.key)), st.integers(1, 5))
def test_pages_by_cursor_show_every_entry_once(some, size):
    seen, cursor = [], Cursor()
    while page := [entry for entry in newest_first(some) if cursor.precedes(entry)][:size]:
        seen += page
        cursor = Cursor.read(str(Cursor.after(page[-1])))
    assert seen == newest_first(some)


@pytest.mark.parametrize(
    ("category", "code", "lane"),
    [
        ("clinical", "intake_entered", Lane.MEDICATION),
        ("clinical", "something_new", Lane.MEDICATION),
        ("clinical", "device_assigned", Lane.CARE),
        ("clinical", "study_opened", Lane.IMAGES),
        ("security", "frame_forged", Lane.SECURITY),
        ("operation", "study_viewed", Lane.SECURITY),
        ("operation", "device_rekeyed", Lane.DEVICES),
        ("data_quality", "reading_out_of_range", Lane.DEVICES),
        ("unheard of", "x", Lane.MEDICATION),
    ],
)
def test_an_event_lies_in_the_lane_of_its_code(category, code, lane):
    assert lane_of(category, code) is lane


def test_what_a_filter_does_not_know_is_left_out():
    asked = Asked.read({"priority": "loud", "from": "yesterday", "to": "1e300"}, ["alarm", "nonsense"], " a\0b ")
    assert asked == Asked(frozenset({Lane.ALARM}), "", None, None, "ab")
    assert Asked.read({}, []) == Asked()
