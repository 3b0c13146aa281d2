"""Observations: readings as FHIR, whose they were, how they are searched and walked, and what clients may add."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.utils import timezone

from devices.kinds.registry import by_key
from devices.services.registry import assign_device, register_device, register_gateway
from devices.services.telemetry import store
from devices.telemetry import READING, ReadingBatch

LOINC = "http://loinc.org"


@pytest.fixture
def monitor(patient):
    return monitor_of(patient)


def monitor_of(patient):
    gateway = register_gateway(name=f"g {patient.pk}", ward=patient.ward, public_key=bytes(32))
    return register_device(
        serial=str(patient.pk)[:20], kind="vital_signs_monitor", label="Monitor", gateway=gateway, patient=patient
    )[0]


def put(device, *rows: tuple[str, float, float], first_seq: int = 1, received: float | None = None) -> None:
    """Store readings: key, seconds ago, value."""
    now = time.time()
    made = [(device.pk, by_key(key).code, first_seq + i, now - ago, value) for i, (key, ago, value) in enumerate(rows)]
    store().write(ReadingBatch(np.array(made, READING), received_at=received or now - 1))


def coded(caller, query: str) -> list[tuple[str, object]]:
    """Return (code, value or values) of what a search finds."""
    found = []
    for entry in caller.get(f"Observation?{query}").body.get("entry", []):
        one = entry["resource"]
        values = [part.get("valueQuantity", {}).get("value") for part in one.get("component", [one])]
        found.append((one["code"]["coding"][0]["code"], values if len(values) > 1 else values[0]))
    return found


def test_a_reading_is_a_vital_sign(nurse, monitor, patient) -> None:
    put(monitor, ("heart_rate", 5, 71.0))
    answer = nurse.get(f"Observation?patient=Patient/{patient.pk}&code={LOINC}|8867-4")
    one = answer.body["entry"][0]["resource"]
    assert one["valueQuantity"] == {
        "value": 71.0, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"
    }  # fmt: skip
    assert one["meta"]["profile"] == ["http://hl7.org/fhir/StructureDefinition/heartrate"]
    assert one["device"] == {"reference": f"Device/{monitor.pk}"}
    again = nurse.get(f"Observation/{one['id']}")
    assert again.body == one
    assert nurse.get(f"Observation/{one['id']}/_history").body["total"] == 1


def test_pressures_of_one_moment_are_a_panel(nurse, monitor) -> None:
    put(monitor, ("bp_systolic", 60, 121.0), ("bp_diastolic", 60, 79.0), ("bp_mean", 60, 93.0))
    put(monitor, ("bp_systolic", 30, 118.0), first_seq=4)
    assert coded(nurse, "code=85354-9") == [("85354-9", [118.0, None]), ("85354-9", [121.0, 79.0])]
    assert coded(nurse, "component-code=8462-4") == coded(nurse, "code=85354-9")
    assert coded(nurse, "code=8480-6") == []
    assert coded(nurse, "code=8478-0") == [("8478-0", 93.0)]
    assert nurse.get(f"Observation/{monitor.pk}-2").status == 404, "the panel is named by its systolic reading"


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("code=8867-4", [73.0, 72.0, 71.0]),
        ("code=8867-4&_sort=date", [71.0, 72.0, 73.0]),
        ("code=8867-4&value-quantity=gt71.5", [73.0, 72.0]),
        ("code=8867-4&value-quantity=72", [72.0]),
        ("code=8867-4&value-quantity=72|http://unitsofmeasure.org|mmol/L", []),
        ("code=8867-4&value-quantity=le72,73", [73.0, 72.0, 71.0]),
        ("category=vital-signs&code:not=59408-5", [73.0, 72.0, 71.0]),
        ("category=laboratory", []),
        ("code=2708-6", [97.0]),
        ("status=final&code=59408-5", [97.0]),
        ("status=preliminary", []),
        ("code=8867-4&code=59408-5", []),
        ("code=8867-4,59408-5&_count=2", [73.0, 97.0]),
        ("device=Device/4294967295", []),
    ],
)
def test_searches_mean_what_they_say(nurse, monitor, query: str, values: list[float]) -> None:
    put(monitor, ("heart_rate", 4000, 71.0), ("heart_rate", 900, 72.0), ("heart_rate", 5, 73.0), ("spo2", 6, 97.0))
    assert [value for _, value in coded(nurse, query)] == values


def test_dates_cut_the_history(nurse, monitor) -> None:
    put(monitor, ("heart_rate", 7200, 71.0), ("heart_rate", 60, 72.0))
    hour_ago = (datetime.now(tz=UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert coded(nurse, f"date=ge{hour_ago}") == [("8867-4", 72.0)]
    assert coded(nurse, f"date=lt{hour_ago}") == [("8867-4", 71.0)]
    exact = nurse.get("Observation").body["entry"][1]["resource"]["effectiveDateTime"]
    assert coded(nurse, f"date={exact}") == [("8867-4", 71.0)]


@pytest.mark.parametrize("order", ["date", "-date"])
def test_a_walk_finds_every_observation_once_while_readings_come_in(nurse, monitor, patient, order: str) -> None:
    rows = [("heart_rate", float(n * 37 % 5000), 60.0 + n % 40) for n in range(60)]
    put(monitor, *rows)
    post_external(nurse, patient, 66)
    page = nurse.get(f"Observation?_count=7&_sort={order}")
    found, came = page.ids(), 100
    while page.link("next"):
        put(monitor, ("heart_rate", 2500.0, 99.0), first_seq=came, received=time.time() + 5)
        came += 1
        page = nurse.get(page.link("next"))
        found += page.ids()
    assert len(found) == len(set(found)) == 61


def test_a_reading_stays_with_who_wore_the_device(nurse, monitor, patient, ward, cast) -> None:
    from tests.conftest import _patient

    other = _patient(ward, "T-002", "Grace", "Hopper")
    put(monitor, ("heart_rate", 5, 71.0), received=time.time())
    assign_device(device=monitor, patient=other, by=cast["administrator"])
    put(monitor, ("heart_rate", 0, 80.0), first_seq=2, received=time.time() + 3600)
    assert coded(nurse, f"patient={patient.pk}") == [("8867-4", 71.0)]
    assert nurse.get(f"Observation/{monitor.pk}-2").body["subject"] == {"reference": f"Patient/{other.pk}"}


def test_nothing_of_a_foreign_ward_is_found_or_read(nurse, foreign_patient) -> None:
    device = monitor_of(foreign_patient)
    put(device, ("heart_rate", 5, 71.0))
    for query in (
        "",
        f"patient={foreign_patient.pk}",
        f"subject=Patient/{foreign_patient.pk}",
        f"device={device.pk}",
        f"_id={device.pk}-1",
        "code=8867-4",
        "date=ge2020",
        "value-quantity=71",
    ):
        assert coded(nurse, f"{query}&_include=Observation:device") == [], query
    assert nurse.get(f"Observation/{device.pk}-1").status == 404
    assert nurse.get(f"Device/{device.pk}").status == 404
    assert nurse.get(f"DeviceMetric/{device.pk}.spo2").status == 404
    assert nurse.get(f"DeviceMetric?source=Device/{device.pk}").body["total"] == 0


def test_devices_bring_their_metrics_and_patients(nurse, monitor, patient) -> None:
    answer = nurse.get("Device?_include=Device:patient&_revinclude=DeviceMetric:source")
    assert answer.ids() == [f"Device/{monitor.pk}"]
    assert f"Patient/{patient.pk}" in answer.ids("include")
    assert f"DeviceMetric/{monitor.pk}.heart-rate" in answer.ids("include")
    assert nurse.get(f"DeviceMetric/{monitor.pk}.heart-rate").status == 200
    assert len(nurse.walk("DeviceMetric?_count=4")) == 9
    assert nurse.get("DeviceMetric?type=8867-4").ids() == [f"DeviceMetric/{monitor.pk}.heart-rate"]


def observation(patient, value=72.0, **changed) -> dict:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "8867-4"}]},
        "subject": {"reference": f"Patient/{patient.pk}"},
        "effectiveDateTime": timezone.now().isoformat(),
        "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": "/min"},
        **changed,
    }


def post_external(caller, patient, value=72.0, **changed):
    return caller.post("Observation", observation(patient, value, **changed))


def test_what_was_measured_elsewhere_is_kept_apart(nurse, monitor, patient) -> None:
    made = post_external(nurse, patient)
    assert made.status == 201, made.body
    assert "device" not in made.body
    assert nurse.get(f"Observation/{made.body['id']}").body == made.body
    assert coded(nurse, "code=8867-4") == [("8867-4", 72.0)]
    assert store().latest([monitor.pk]) == [], "it is no reading"


def test_a_panel_from_elsewhere_needs_both_pressures(nurse, patient) -> None:
    def part(code: str, value: float) -> dict:
        unit = {"value": value, "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
        return {"code": {"coding": [{"system": LOINC, "code": code}]}, "valueQuantity": unit}

    panel = observation(patient, code={"coding": [{"system": LOINC, "code": "85354-9"}]})
    del panel["valueQuantity"]
    both = [part("8480-6", 120), part("8462-4", 80)]
    assert nurse.post("Observation", panel | {"component": both}).status == 201
    assert nurse.post("Observation", panel | {"component": both[:1]}).status == 422
    assert nurse.post("Observation", panel | {"component": [part("8480-6", 60), both[1]]}).status == 422
    assert coded(nurse, "code=85354-9") == [("85354-9", [120.0, 80.0])]


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "preliminary"},
        {"status": "nonsense"},
        {"code": {"text": "pulse"}},
        {"code": {"coding": [{"system": LOINC, "code": "1-8"}]}},
        {"valueQuantity": {"value": 72}},
        {"valueQuantity": {"value": 351, "system": "http://unitsofmeasure.org", "code": "/min"}},
        {"valueQuantity": {"value": 1e300, "system": "http://unitsofmeasure.org", "code": "/min"}},
        {"valueQuantity": {"value": "72", "system": "http://unitsofmeasure.org", "code": "Cel"}},
        {"effectiveDateTime": "2026"},
        {"effectiveDateTime": "2999-01-01T00:00:00Z"},
        {"effectiveDateTime": "2001-01-01T00:00:00Z"},
        {"subject": {"reference": "Patient/00000000-0000-4000-8000-000000000000"}},
        {"subject": {"display": "Ada"}},
        {"subject": {"reference": "http://elsewhere.example/Patient/1"}},
        {"device": {"reference": "Device/1"}},
        {"performer": [{"display": "x"}]},
        {"nothing": 1},
    ],
)
def test_an_observation_that_could_not_be_true_is_refused(nurse, patient, changed: dict) -> None:
    refused = post_external(nurse, patient, **changed)
    assert refused.status in {400, 422}, refused.body
    assert coded(nurse, "") == []


def test_recording_asks_policy_and_scope(cast, token_of, patient, foreign_patient) -> None:
    assert post_external(token_of(cast["nurse"], "user/Observation.rs"), patient).status == 403
    assert post_external(token_of(cast["administrator"]), patient).status == 422
    assert post_external(token_of(cast["caregiver"]), patient).status == 422
    assert post_external(token_of(cast["nurse"]), foreign_patient).status == 422


def test_counting_observations_has_a_bound(nurse, monitor, monkeypatch) -> None:
    put(monitor, *[("heart_rate", float(n), 70.0) for n in range(9)])
    assert nurse.get("Observation?_summary=count").body["total"] == 9
    assert "total" not in nurse.get("Observation").body
    monkeypatch.setattr("devices.fhir.observations.MOST_COUNTED", 5)
    assert nurse.get("Observation?_summary=count").status == 422
