"""What subscribers are told of people, regimens and devices: each change once, and nobody else's."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from compliance.fhir.hooks.delivering import work_on
from compliance.models import Regimen
from compliance.services.patients import Admission, admit_patient
from devices.models import DeviceState
from devices.services.registry import assign_device, set_device_state
from tests.compliance.fhir.conftest import make_regimen
from tests.compliance.fhir.test_histories import correct
from tests.compliance.fhir.test_subscriptions import house, made, notices, physician, receiver
from tests.devices.fhir.test_observations import monitor_of

__all__ = ["house", "physician", "receiver"]


def admission(number: str) -> Admission:
    return Admission(number, "Grace", "Hopper", timezone.now().date() - timedelta(days=15_000))


def test_who_is_admitted_or_corrected_is_told_once_each(physician, cast, patient, foreign_patient, receiver) -> None:
    row = made(physician, receiver.url, "id-only", criteria="Patient")
    assert work_on(row.pk) == 0
    other = admit_patient(ward=patient.ward, admission=admission("T-007"))
    admit_patient(ward=foreign_patient.ward, admission=admission("T-008"))
    assert work_on(row.pk) == 1
    correct(cast, patient, "family_name", "Lovelace")
    correct(cast, foreign_patient, "family_name", "Murray")
    assert work_on(row.pk) == 1
    correct(cast, patient, "family_name", "Byron")
    assert work_on(row.pk) == 1, "back is a change too"
    assert work_on(row.pk) == 0
    assert receiver.told() == [f"Patient/{one.pk}" for one in (other, patient, patient)]


def test_a_subscription_about_patients_filters_as_a_search_does(physician, cast, patient, receiver) -> None:
    row = made(physician, receiver.url, "id-only", criteria="Patient?gender=male")
    correct(cast, patient, "sex", "other")
    assert work_on(row.pk) == 0
    correct(cast, patient, "sex", "male")
    assert work_on(row.pk) == 1


def test_a_regimen_is_told_when_it_is_written_and_when_it_ends(physician, patient, foreign_patient, receiver) -> None:
    row = made(physician, receiver.url, "id-only", criteria="MedicationRequest")
    ended = made(physician, receiver.url, "id-only", criteria="MedicationRequest?status=stopped")
    regimen = make_regimen(patient)
    make_regimen(foreign_patient)
    assert (work_on(row.pk), work_on(ended.pk)) == (1, 0)
    Regimen.objects.filter(pk=regimen.pk).update(stopped_at=timezone.now())
    assert (work_on(row.pk), work_on(ended.pk)) == (1, 1)
    assert receiver.told() == [f"MedicationRequest/{regimen.pk}"] * 3


def test_a_device_is_told_when_it_stops_and_when_it_moves(physician, cast, patient, foreign_patient, receiver) -> None:
    monitor = monitor_of(patient)
    row = made(physician, receiver.url, "id-only", criteria="Device")
    stopped = made(physician, receiver.url, "id-only", criteria="Device?status=inactive")
    metrics = made(physician, receiver.url, "id-only", criteria=f"DeviceMetric?source=Device/{monitor.pk}&type=8867-4")
    assert [work_on(one.pk) for one in (row, stopped, metrics)] == [0, 0, 0]
    set_device_state(device=monitor, state=DeviceState.QUARANTINED)
    assert [work_on(one.pk) for one in (row, stopped, metrics)] == [1, 1, 1]
    assert receiver.told()[-1] == f"DeviceMetric/{monitor.pk}.heart-rate"
    assign_device(device=monitor, patient=foreign_patient)
    assert [work_on(one.pk) for one in (row, stopped, metrics)] == [0, 0, 0], "it is another ward's now"
    assert notices(row) == ["sent"]


@pytest.mark.parametrize("name", ["Device", "DeviceMetric", "Patient", "MedicationRequest"])
def test_the_moment_of_change_can_be_searched(physician, patient, name) -> None:
    monitor_of(patient)
    make_regimen(patient)
    everything = physician.get(f"{name}?_count=200").ids()
    day = timezone.now().date()
    assert everything
    assert physician.get(f"{name}?_count=200&_lastUpdated=ge{day - timedelta(days=1)}").ids() == everything
    assert physician.get(f"{name}?_lastUpdated=lt{day - timedelta(days=1)}").ids() == []
