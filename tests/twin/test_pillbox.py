"""Pillbox readings become intakes: in one batch or many, twice, late, and after a crash in between."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from compliance.adherence.episodes import Sample, episodes
from compliance.adherence.fusion import judge
from compliance.models import Intake, Medication, Regimen, ScheduledDose
from compliance.services.regimens import close_windows, order_single_dose
from devices.kinds.registry import by_key
from devices.models import Device, DeviceAssignment, Gateway
from devices.services.registry import assign_device
from devices.services.telemetry import close_store, store
from devices.telemetry.batch import READING, ReadingBatch
from tests.steps import steps_of
from twin.physiology.people import Dose, VirtualPatient
from twin.physiology.room import SmartPillbox
from twin.services.pillbox import SENSORS, PillboxWatch

pytestmark = pytest.mark.django_db
T0 = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
START, DAY_S = 1_780_000_000.0, 86_400.0
SCRIPT = [  # seconds after opening, sensor, value
    (-40.0, "tray_weight", 40.0),
    (0.0, "lid_open", 1.0),
    (1.4, "hand_present", 1.0),
    (4.6, "hand_present", 0.0),
    (7.2, "lid_open", 0.0),
    (9.7, "tray_weight", 39.8),
]


@pytest.fixture
def device(ward, patient, settings, tmp_path):
    settings.TELEMETRY_URL = f"sqlite:///{tmp_path / 'telemetry.sqlite3'}"
    gateway = Gateway.objects.create(name="G1", ward=ward, public_key=b"0" * 32)
    made = Device.objects.create(
        serial="P1", kind="smart_pillbox", label="Pillbox", gateway=gateway, patient=patient, key_sealed=b""
    )
    DeviceAssignment.objects.update(starts_at=T0 - timedelta(days=1))
    yield made
    close_store()


@pytest.fixture
def dose(patient):
    medication = Medication.objects.create(name="Ramipril", strength="5 mg", unit_weight_g=0.2)
    regimen = Regimen.objects.create(
        patient=patient, medication=medication, times=["08:00"], starts_on=date(2026, 6, 1)
    )
    return order_single_dose(regimen=regimen, due_at=T0, local_date=T0.date(), now=T0)


def _batch(device, script=SCRIPT, first_seq=1, heard: timedelta = timedelta(seconds=20)) -> ReadingBatch:
    rows = [
        (device.pk, by_key(key).code, first_seq + at, T0.timestamp() + after, value)
        for at, (after, key, value) in enumerate(script)
    ]
    return ReadingBatch(np.array(rows, dtype=READING), received_at=(T0 + heard).timestamp())


def _state(dose: ScheduledDose) -> str:
    dose.refresh_from_db()
    return dose.state


def test_an_opening_in_one_batch_settles_the_dose(device, dose):
    PillboxWatch().receive(_batch(device))
    assert _state(dose) == "taken"
    intake = Intake.objects.get()
    assert (intake.device_id, intake.seq, intake.at) == (device.pk, 2, T0)


def test_an_opening_spread_over_batches_settles_the_dose_once(device, dose):
    watch = PillboxWatch()
    for at in range(len(SCRIPT)):
        watch.receive(_batch(device, SCRIPT[at : at + 1], first_seq=at + 1))
        assert Intake.objects.count() == (at == len(SCRIPT) - 1)
    assert _state(dose) == "taken"


def test_the_same_readings_again_record_nothing_new(device, dose):
    watch = PillboxWatch()
    watch.receive(_batch(device))
    watch.receive(_batch(device))
    PillboxWatch().receive(_batch(device))
    assert Intake.objects.count() == 1


def test_a_crash_in_the_middle_of_an_opening_loses_nothing(device, dose):
    first, second = _batch(device, SCRIPT[:3]), _batch(device, SCRIPT[3:], first_seq=4)
    PillboxWatch().receive(first)
    store().write(first)
    PillboxWatch().receive(second)  # another process, which knows only the store
    assert _state(dose) == "taken"
    assert Intake.objects.get().confidence > 0.99


def test_an_opening_that_two_processes_heard_in_parts_settles_the_dose_once(device, dose):
    first, second = PillboxWatch(), PillboxWatch()
    for watch, start, end in ((second, 0, 1), (first, 1, 3), (second, 3, 5), (first, 5, 6), (second, 5, 6)):
        part = replace(_batch(device, SCRIPT[start:end], first_seq=start + 1), shared=frozenset({device.pk}))
        watch.receive(part)
        store().write(part)
    assert _state(dose) == "taken"
    assert Intake.objects.get().confidence > 0.99


def test_readings_that_come_hours_late_count_at_their_event_time(device, dose):
    close_windows(now=T0 + timedelta(hours=2))
    assert _state(dose) == "missed"
    PillboxWatch().receive(_batch(device, heard=timedelta(hours=3)))
    assert _state(dose) == "taken"


def test_a_look_without_taking_is_recorded_as_one(device, dose):
    look = [(after, key, 40.0 if key == "tray_weight" else value) for after, key, value in SCRIPT]
    PillboxWatch().receive(_batch(device, look))
    assert Intake.objects.get().finding == "opened"
    assert _state(dose) == "pending"


def test_a_box_that_belongs_to_nobody_proves_nothing(device, dose):
    Device.objects.update(patient=None)
    DeviceAssignment.objects.update(ends_at=T0 - timedelta(hours=1))
    PillboxWatch().receive(_batch(device))
    assert not Intake.objects.exists()


def test_an_opening_counts_for_who_had_the_box_then(device, dose, foreign_patient):
    assign_device(device=device, patient=foreign_patient)
    PillboxWatch().receive(_batch(device))
    assert Intake.objects.get().patient == dose.patient


def test_receiver_is_connected_to_the_wire(device, dose):
    from devices.signals import readings_received

    readings_received.send(object, batch=_batch(device))
    assert _state(dose) == "taken"


def test_batches_without_a_pillbox_cost_next_to_nothing(device, django_assert_num_queries):
    def steps(readings: int) -> int:
        rows = np.zeros(readings, dtype=READING)
        rows["metric"] = by_key("heart_rate").code
        watch, batch = PillboxWatch(), ReadingBatch(rows)
        return steps_of(lambda: watch.receive(batch))

    steps(2)  # numpy sets itself up
    with django_assert_num_queries(0):
        assert steps(20_000) == steps(2)


@pytest.mark.parametrize("step_s", [1.0, 3 * 3600.0])
def test_openings_of_an_emulated_box_are_told_rightly(step_s):
    doses = (Dose(8, 0, 0.16), Dose(20, 0, 0.31))
    told: Counter[tuple[str, str]] = Counter()
    for seed in range(3):
        who = VirtualPatient(seed=seed, devices={}, doses=doses, adherence=0.9, time_zone="Europe/Berlin")
        box = SmartPillbox(1, who, 60.0)
        openings = _openings_of(who)
        samples = _samples_of(box, openings, step_s)
        for episode in episodes(samples):
            opening = min(openings, key=lambda entry: abs(entry.t - episode.opened_at))
            truth = "refilled" if opening.taken_g < 0 else "taken" if opening.taken_g > 0 else "opened"
            told[truth, judge(episode, max(opening.taken_g, 0.16)).finding.value] += 1
    assert told.total() > 60
    assert {truth for truth, _ in told} == {"taken", "opened", "refilled"}
    assert sum(count for (truth, said), count in told.items() if truth == said) >= 0.98 * told.total()
    assert told["opened", "taken"] == told["taken", "opened"] == 0


def _openings_of(who: VirtualPatient):
    week = SmartPillbox(1, who, 60.0)
    return [opening for at in range(14) for opening in week._openings(START + at * DAY_S, START + (at + 1) * DAY_S)]


def _samples_of(box: SmartPillbox, openings, step_s: float) -> list[Sample]:
    """Return what the box reports around each opening, in steps of `step_s` numbered as they come."""
    samples: list[Sample] = []
    for opening in openings:
        t = opening.t - 180.0
        while t < opening.t + 240.0:
            for heard in box.emit(t, t + min(step_s, 420.0), False):
                if heard.metric_code in SENSORS:
                    samples.append(Sample(len(samples), heard.t, SENSORS[heard.metric_code], heard.value))
            t += min(step_s, 420.0)
    return samples
