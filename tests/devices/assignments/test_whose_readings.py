"""Devices go from one patient to the next while readings come early, late and by wrong clocks: none is ever shown to
somebody else."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compliance.models import Patient
from devices.kinds.registry import by_key
from devices.models import Device, DeviceAssignment
from devices.selectors.worn import Wear, span_at
from devices.services.registry import assign_device, register_device, register_gateway
from devices.services.telemetry import store
from devices.services.worn import latest_of, readings_of
from devices.telemetry import READING, Reading, ReadingBatch
from tests.conftest import SIGN_IN_BACKEND, _patient
from tests.words import stands
from twin.selectors.evidence import nearest_reading
from twin.selectors.history import Window, series_of
from twin.selectors.vitals import by_device_and_metric, sparks_of, tiles_of

pytestmark = [pytest.mark.django_db, pytest.mark.strict_wear]
GLUCOSE = by_key("glucose").code
MINUTE = 60.0


class Step(NamedTuple):
    """After some minutes: the device goes to patient `who` (None: to nobody), and then measures once.

    late_s: how long the reading is under way. ahead_s: by how much the device's clock is wrong.
    """

    minutes: int
    who: int | None
    late_s: float
    ahead_s: float


steps = st.lists(
    st.builds(
        Step,
        minutes=st.integers(1, 9),
        who=st.sampled_from([0, 1, 2, None]),
        late_s=st.sampled_from([0.0, 1.0, 700.0]),
        ahead_s=st.sampled_from([0.0, 0.0, 120.0]),
    ),
    min_size=1,
    max_size=8,
)


@pytest.fixture
def people(ward) -> list[Patient]:
    return [_patient(ward, f"W-{n}", "P", str(n)) for n in range(3)]


@pytest.fixture
def gateway(ward):
    return register_gateway(name="gw", ward=ward, public_key=bytes(32))


def put(device: Device, seq: int, t: float, value: float, received: float) -> None:
    row = np.array([(device.pk, GLUCOSE, seq, t, value)], READING)
    store().write(ReadingBatch(row, received_at=received))


def stored(device: Device, seq: int) -> Reading:
    row = store().reading(device.pk, seq)
    assert row is not None
    return row


def live(device: Device, sequence: list[Step], people: list[Patient], start: float) -> dict[int, tuple[float, object]]:
    """Live the sequence; return by sequence number of each reading its time and who wore the device in truth."""
    Device.objects.update(patient=None)
    DeviceAssignment.objects.all().delete()  # of the examples before
    now, truth, wearer = start, {}, None
    came = []
    for seq, step in enumerate(sequence, start=1):
        now += step.minutes * MINUTE
        who = None if step.who is None else people[step.who]
        if who != wearer:
            at = datetime.fromtimestamp(now, tz=UTC)
            DeviceAssignment.objects.filter(device=device, ends_at=None).update(ends_at=at)
            if who is not None:
                DeviceAssignment.objects.create(device=device, patient=who, starts_at=at)
            Device.objects.filter(pk=device.pk).update(patient=who)
            wearer = who
        measured = now + 1.0
        # A clock is seen to be ahead by what arrives before its time; one that is both ahead and late is not.
        t, received = measured + (0.0 if step.late_s else step.ahead_s), measured + step.late_s
        truth[seq] = (t, wearer)
        came.append((received, seq, t))
    for received, seq, t in sorted(came):
        put(device, seq, t, 100.0 + seq, received)
    return truth


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=steps)
def test_no_sequence_shows_a_reading_to_the_wrong_person(people, gateway, sequence: list[Step]) -> None:
    serial = f"D-{time.monotonic_ns()}"
    device = register_device(serial=serial, kind="cgm", label="CGM", gateway=gateway, patient=None)[0]
    start = time.time() - 2 * 3600.0
    truth = live(device, sequence, people, start)
    end = start + 4 * 3600.0
    for person in people:
        own = {seq for seq, (_, who) in truth.items() if who == person}
        assert {row.seq for row in readings_of(person, [GLUCOSE], start, end)} == own
        charted = series_of(person, Window(("glucose",), start, end))["glucose"]
        assert {round(value - 100.0) for _, value, _ in charted} == own
        wear = Wear([person.pk])
        assert {seq for seq in truth if wear.holds(stored(device, seq))} == own
        for t, _ in truth.values():
            assert (found := nearest_reading(person, "glucose", t)) is None or found.seq in own
    for seq, (_, who) in truth.items():
        row = stored(device, seq)
        span = span_at(device.pk, row.t, row.received)
        assert (span.patient if span else None) == (who.pk if who else None)
    newest, last = latest_of([device.pk]), len(truth)
    since_moved = {n for n in truth if all(truth[later][1] == truth[last][1] for later in range(n, last + 1))}
    assert newest, "whoever has it now sees what it measured now"
    assert {row.seq for row in newest} <= since_moved
    tiles = tiles_of([device], by_device_and_metric(newest), end)
    drawn = {round(value - 100.0) for line in sparks_of({"": tiles}, end)[""].values() for _, value in line}
    assert drawn <= since_moved


def test_what_was_measured_before_anybody_wore_it_is_nobodys(people, gateway) -> None:
    device = register_device(serial="D-1", kind="cgm", label="CGM", gateway=gateway, patient=None)[0]
    put(device, 1, time.time() - 60.0, 111.0, time.time() - 60.0)
    assign_device(device=device, patient=people[0])
    assert readings_of(people[0], [GLUCOSE], 0.0, time.time() + 60.0) == []
    assert latest_of([device.pk]) == []
    assert span_at(device.pk, time.time() - 60.0) is None
    assert math.isinf(span_at(device.pk, time.time() + 1.0).ends)


def test_the_pages_of_the_next_patient_show_nothing_of_the_last(client, cast, patient, ward) -> None:
    gateway = register_gateway(name="gw", ward=ward, public_key=bytes(32))
    device = register_device(serial="D-2", kind="cgm", label="CGM", gateway=gateway, patient=patient)[0]
    now = time.time()
    put(device, 1, now, 211.0, now)
    following = _patient(ward, "W-9", "Next", "Patient")
    assign_device(device=device, patient=following)
    client.force_login(cast["nurse"], backend=SIGN_IN_BACKEND)
    query = f"?keys=glucose&from={now - 600}&to={now + 600}"
    shown = {who.pk: client.get(f"/patients/{who.pk}/history/{query}").json()["series"] for who in (patient, following)}
    assert [value for _, value, _ in shown[patient.pk]["glucose"]] == [211.0]
    assert shown[following.pk]["glucose"] == []
    for url in (f"/patients/{following.pk}/", "/", f"/devices/{device.pk}/"):
        text = client.get(url).content.decode().replace(f">{device.pk}<", "><")  # its number is no reading
        assert not stands("211", text), url
