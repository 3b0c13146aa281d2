"""What is in the store becomes messages: complete, thinned out, under the right name, and never twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from devices.hl7 import parse_report
from devices.models import DeviceAssignment, HL7Message
from devices.services.hl7_outbox import collect, content_of
from devices.services.registry import assign_device
from tests.devices.hl7.conftest import make_destination, make_device, measure

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC).replace(second=0, microsecond=0)
T = NOW.timestamp()


def reports():  # type: ignore[no-untyped-def]
    return [parse_report(content_of(message)) for message in HL7Message.objects.all()]


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def begun(destination, monitor):  # type: ignore[no-untyped-def]
    collect(destination=destination, now=NOW)
    return destination


def test_a_minute_of_readings_is_one_value_of_each_metric(begun, monitor) -> None:
    measure(monitor, "heart_rate", {T + s: 60 + s for s in range(1, 30)}, received=T + 30)
    measure(monitor, "temperature", {T + 5: 37.0}, received=T + 30, seq=100)
    assert collect(destination=begun, now=later(60)) == 1
    [report] = reports()
    [only] = report.observations
    assert (only.value, only.unit, only.device, only.received_at) == ("89", "/min", "monitor-1", None)
    assert only.at.timestamp() == T + 29
    assert only.at.utcoffset() in {timedelta(hours=1), timedelta(hours=2)}  # the patient's zone is Berlin
    assert [code.code for code in only.codes] == ["147842", "8867-4"]
    assert (report.person.family_name, report.person.ward, report.person.bed) == ("Byron", "Ward 4", "4-1")


def test_nothing_is_told_twice(begun, monitor) -> None:
    measure(monitor, "heart_rate", {T + 1: 70}, received=T + 1)
    assert collect(destination=begun, now=later(60)) == 1
    assert collect(destination=begun, now=later(120)) == 0


def test_history_from_before_the_destination_is_not_told(destination, monitor) -> None:
    measure(monitor, "heart_rate", {T - 50: 70}, received=T - 50)
    assert collect(destination=destination, now=NOW) == 0
    measure(monitor, "heart_rate", {T - 40: 71}, received=T + 1, seq=9)
    assert collect(destination=destination, now=later(60)) == 0


def test_reading_that_came_late_is_told_and_marked(begun, monitor) -> None:
    measure(monitor, "heart_rate", {T + 1: 70}, received=T + 600)
    collect(destination=begun, now=later(660))
    [late] = reports()[0].observations
    assert (late.received_at - late.at).total_seconds() == 599


def test_every_change_of_an_alarm_is_told(begun, patient) -> None:
    pump = make_device(patient, "infusion_pump", "pump-1")
    collect(destination=begun, now=NOW)
    measure(pump, "pump_alarm", {T + 1: 0, T + 2: 1, T + 3: 1, T + 4: 0}, received=T + 5)
    collect(destination=begun, now=later(60))
    assert [one.choice.text for one in reports()[0].observations] == ["none", "occlusion", "none"]


def test_device_on_another_patient_tells_nothing_of_the_first_one(begun, monitor, patient, monkeypatch) -> None:
    other = type(patient).objects.create(
        medical_record_number="T-2", given_name="Grace", family_name="Hopper", birth_date="1970-01-01",
        ward=patient.ward,
    )  # fmt: skip
    measure(monitor, "heart_rate", {T + 1: 70}, received=T + 1)
    with monkeypatch.context() as moved:  # at 50 s, however long ago this file was read
        moved.setattr("devices.services.registry.timezone.now", lambda: later(50))
        assign_device(device=monitor, patient=other)
    assert collect(destination=begun, now=later(60)) == 0
    measure(monitor, "heart_rate", {T + 30: 71}, received=T + 61, seq=5)  # kept back: still the first patient's
    measure(monitor, "heart_rate", {T + 70: 90}, received=T + 70, seq=9)
    collect(destination=begun, now=later(120))
    [report] = reports()
    assert (report.person.family_name, [one.value for one in report.observations]) == ("Hopper", ["90"])


def test_device_that_was_away_and_came_back_tells_nothing_of_the_other_patient(begun, monitor, patient) -> None:
    other = type(patient).objects.create(
        medical_record_number="T-2", given_name="Grace", family_name="Hopper", birth_date="1970-01-01",
        ward=patient.ward,
    )  # fmt: skip
    for place, who in enumerate([other, patient], start=1):
        DeviceAssignment.objects.filter(ends_at=None).update(ends_at=later(20 * place))
        DeviceAssignment.objects.create(device=monitor, patient=who, starts_at=later(20 * place))
    measure(monitor, "heart_rate", {T + 10: 70, T + 30: 90}, received=T + 51)
    collect(destination=begun, now=later(120))
    [report] = reports()
    assert (report.person.family_name, [one.value for one in report.observations]) == ("Byron", ["70"])


def test_ward_that_was_not_chosen_is_not_told_of(begun, foreign_patient) -> None:
    foreign = make_device(foreign_patient, "vital_signs_monitor", "monitor-9")
    collect(destination=begun, now=NOW)
    measure(foreign, "heart_rate", {T + 1: 70}, received=T + 1)
    assert collect(destination=begun, now=later(60)) == 0


def test_reading_that_just_came_waits_for_what_may_come_before_it(begun, monitor) -> None:
    measure(monitor, "heart_rate", {T + 58: 72}, received=T + 59, seq=7)
    assert collect(destination=begun, now=later(60)) == 0
    measure(monitor, "heart_rate", {T + 57: 71}, received=T + 60, seq=6)
    assert collect(destination=begun, now=later(120)) == 1
    assert [one.value for one in reports()[0].observations] == ["72"]


def test_backlog_larger_than_a_page_is_read_whole(begun, monitor, monkeypatch) -> None:
    monkeypatch.setattr("devices.services.hl7_outbox.PAGE", 7)
    measure(monitor, "heart_rate", {T + 60 * n: 60 + n for n in range(20)}, received=T + 1200)
    collect(destination=begun, now=later(1300))
    assert [one.value for one in reports()[0].observations] == [str(60 + n) for n in range(20)]


def test_full_outbox_leaves_readings_in_the_store(begun, monitor, monkeypatch) -> None:
    measure(monitor, "heart_rate", {T + 1: 70}, received=T + 1)
    collect(destination=begun, now=later(60))
    monkeypatch.setattr("devices.services.hl7_outbox.MOST_WAITING", 1)
    measure(monitor, "heart_rate", {T + 61: 71}, received=T + 61, seq=5)
    assert collect(destination=begun, now=later(120)) == 0
    HL7Message.objects.update(state="accepted")
    assert collect(destination=begun, now=later(180)) == 1


def test_two_receivers_are_told_independently(begun, monitor, patient) -> None:
    second = make_destination(patient.ward, 1, "", metrics=["spo2"])
    collect(destination=second, now=NOW)
    measure(monitor, "heart_rate", {T + 1: 70}, received=T + 1)
    measure(monitor, "spo2", {T + 1: 97}, received=T + 1, seq=2)
    assert [collect(destination=one, now=later(60)) for one in (begun, second)] == [1, 1]
    assert [len(report.observations) for report in reports()] == [2, 1]
