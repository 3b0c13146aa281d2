"""Messages say exactly what they were given, whatever stands in a name."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.hl7 import (
    Acknowledgement,
    MessageMalformed,
    Observation,
    Person,
    Report,
    Verdict,
    build_acknowledgement,
    build_report,
    parse_acknowledgement,
    parse_report,
)
from devices.hl7.message import Code

BERLIN = timezone(timedelta(hours=1))
AT = datetime(2026, 1, 2, 3, 4, 5, 678000, BERLIN)
HEART_RATE = (Code("147842", "Heart rate", "MDC"), Code("8867-4", "Heart rate", "LN"))
PERSON = Person("T-001", "Byron", "Ada", date(1961, 5, 17), "female", "Ward 4", "4-1")
OBSERVATION = Observation(HEART_RATE, "72", "/min", AT, "monitor-1", "1.1.1.1")
REPORT = Report("m-1", AT, PERSON, (OBSERVATION,), "F", "General")

texts = st.text(max_size=60) | st.text(alphabet="|^~\\&#FSTREX0D\r\n\x0b\x1c\uf600\uf67c ", min_size=1, max_size=20)
offsets = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.builds(
    lambda at, zone, ms: at.replace(microsecond=ms * 1000, tzinfo=zone),
    st.datetimes(AT.replace(year=1901, tzinfo=None), AT.replace(year=2198, tzinfo=None)),
    offsets,
    st.integers(0, 999),
)
codes = st.builds(Code, texts.filter(bool), texts, texts.filter(bool))
people = st.builds(
    Person,
    texts,
    texts,
    texts,
    st.dates(date(1900, 1, 1)),
    st.sampled_from(["female", "male", "other", "unknown"]),
    texts,
    texts,
)
numbers = st.builds(
    Observation,
    codes.map(lambda one: (one,)) | st.tuples(codes, codes),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    texts.filter(bool),
    times,
    texts,
    st.just("1.1.1.1"),
    received_at=st.none() | times,
)
choices = st.builds(
    Observation, codes.map(lambda one: (one,)), st.just(""), st.just(""), times, texts, st.just("1.1.1.2"), choice=codes
)
reports = st.builds(
    Report,
    st.uuids().map(str),
    times,
    people,
    st.lists(numbers | choices, min_size=1, max_size=3).map(tuple),
    st.sampled_from(["F", "P"]),
    texts,
)


@given(reports)
@settings(max_examples=30, deadline=None)
def test_what_was_built_is_what_is_read(report: Report) -> None:
    assert parse_report(build_report(report)) == report


@given(reports)
@settings(max_examples=20, deadline=None)
def test_no_text_adds_a_segment_or_a_field(report: Report) -> None:
    wire = build_report(report)
    lines = wire.decode().split("\r")
    late = sum(one.received_at is not None for one in report.observations)
    assert [line[:3] for line in lines[:4]] == ["MSH", "PID", "PV1", "OBR"]
    assert len(lines) == 4 + len(report.observations) + late + 1
    assert {line.count("|") for line in lines if line.startswith("PID")} == {8}
    assert not {0x0B, 0x1C} & set(wire)


@pytest.mark.parametrize(
    "name", ["Byron\rOBX|1|NM|x", "a|b^c&d~e", "\\F\\", "\\X0D\\", "\\", "A\\\\E", "\x1c\r\x0bMSH|", " x ", "Łukasz 🫀"]
)
def test_a_name_cannot_smuggle_anything_in(name: str) -> None:
    report = replace(REPORT, person=replace(PERSON, family_name=name))
    wire = build_report(report)
    assert wire.count(b"\r") == 5
    assert parse_report(wire).person.family_name == name


def test_message_has_the_structure_that_the_standard_gives_it() -> None:
    late = replace(OBSERVATION, received_at=AT + timedelta(minutes=9))
    wire = build_report(replace(REPORT, observations=(OBSERVATION, late)))
    parsed = parse_message(wire.decode(), find_groups=True, validation_level=VALIDATION_LEVEL.STRICT)
    assert parsed.validate()
    lines = wire.decode().split("\r")
    assert lines[1] == "PID|||T-001^^^MEDTWIN^MR||Byron^Ada^^^^^L||19610517|F"
    assert lines[2] == "PV1||I|Ward 4^^4-1"
    assert lines[4] == (
        "OBX|1|NM|147842^Heart rate^MDC^8867-4^Heart rate^LN|1.1.1.1|72|/min^/min^UCUM|||||F"
        "|||20260102030405.678+0100||||monitor-1^MEDTWIN"
    )
    assert lines[6].startswith("NTE|1|L|late: ")


def test_time_without_a_zone_is_refused() -> None:
    with pytest.raises(MessageMalformed):
        build_report(replace(REPORT, sent_at=datetime(2026, 1, 2)))  # noqa: DTZ001


@given(st.sampled_from(list(Verdict)), texts.filter(bool), texts)
@settings(max_examples=20, deadline=None)
def test_an_answer_is_read_as_it_was_meant(verdict: Verdict, about: str, reason: str) -> None:
    answer = Acknowledgement(verdict, about, reason)
    assert parse_acknowledgement(build_acknowledgement(answer, control_id="a", sent_at=AT)) == answer


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_garbage_is_refused_by_name(data: bytes) -> None:
    for parse in (parse_report, parse_acknowledgement):
        with pytest.raises(MessageMalformed):
            parse(data)


@given(st.integers(0, 400), st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_a_flipped_byte_is_read_or_refused_and_nothing_else(place: int, byte: int) -> None:
    wire = bytearray(build_report(REPORT))
    wire[place % len(wire)] = byte
    for parse in (parse_report, parse_acknowledgement):
        try:
            parse(bytes(wire))
        except MessageMalformed:
            continue


def test_answers_of_older_receivers_are_understood() -> None:
    wire = b"MSH|^~\\&|EHR||||20260102030405||ACK|7|P|2.3\rMSA|AE|m-1|no such patient\r"
    assert parse_acknowledgement(wire) == Acknowledgement(Verdict.ERROR, "m-1", "no such patient")
