"""The emulated ward as registered: idempotent, recoverable, and readable by nobody else."""

from __future__ import annotations

import json
import stat

import pytest

from compliance.models import Medication, Patient, Regimen
from devices.models import Device, Gateway
from devices.services.registry import device_key
from twin.physiology.plants import build
from twin.services.emulation import ensure_patients, prepare_ward

NOW = 1_790_000_000.0


@pytest.fixture
def prepare(ward, tmp_path):
    def run(**changed):
        where = {"ward": ward, "server": "ws://h/ws/gateway/", "folder": tmp_path}
        return prepare_ward(**{**where, "patients": 8, "gateways": None, "now": NOW, **changed})

    return run


def _config(gateway):
    return json.loads(gateway.config.read_text())


def test_invented_patients_are_made_once_and_differ(ward):
    first = ensure_patients(ward, 40)
    again = ensure_patients(ward, 40)
    assert [p.pk for p in first] == [p.pk for p in again]
    assert len({p.name for p in first}) == 40
    assert {p.sex for p in first} == {"female", "male"}
    assert len({p.conditions for p in first}) == 6


def test_preparing_twice_changes_nothing(prepare):
    first = prepare()
    before = [gateway.config.read_text() for gateway in first]
    assert [gateway.config.read_text() for gateway in prepare()] == before
    assert Gateway.objects.count() == len(first) == 2


def test_every_device_is_described_to_its_gateway_with_its_key(prepare):
    described = {d["device_id"]: d for gateway in prepare() for d in _config(gateway)["devices"]}
    assert set(described) == set(Device.objects.values_list("pk", flat=True))
    for device in Device.objects.all():
        assert described[device.pk]["key_hex"] == device_key(device).hex()
        assert described[device.pk]["epoch"] == device.epoch


def test_key_and_configuration_are_private(prepare):
    for gateway in prepare():
        for path in (gateway.config, gateway.config.parent / "private.key"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_names_never_reach_a_gateway(prepare):
    text = "".join(gateway.config.read_text() for gateway in prepare())
    for patient in Patient.objects.all():
        assert patient.family_name not in text
        assert patient.medical_record_number not in text


def test_a_gateway_whose_folder_was_lost_gets_fresh_keys(prepare):
    gateway = prepare()[0]
    lost = _config(gateway)
    (gateway.config.parent / "private.key").unlink()
    renewed = _config(prepare()[0])
    for old, new in zip(lost["devices"], renewed["devices"], strict=True):
        assert new["epoch"] == old["epoch"] + 1
        assert new["key_hex"] != old["key_hex"]


def test_what_the_script_already_did_stays_in_the_story(prepare):
    occlusion = _config(prepare()[0])["plant"]["options"]["patients"][0]["episodes"][0]
    later = _config(prepare(now=NOW + 3600)[0])["plant"]["options"]["patients"][0]["episodes"]
    assert occlusion in later
    assert [e["kind"] for e in later].count("occlusion") >= 2


def test_the_pillbox_follows_the_regimen(prepare, ward):
    patient = ensure_patients(ward, 1)[0]
    medicine = Medication.objects.create(name="Metoprolol", strength="47.5 mg", unit_weight_g=0.31)
    Regimen.objects.create(
        patient=patient, medication=medicine, units_per_dose=2, times=["08:00", "20:00"], starts_on="2026-01-01"
    )
    doses = _config(prepare()[0])["plant"]["options"]["patients"][0]["doses"]
    assert doses == [{"local": "08:00", "grams": 0.62}, {"local": "20:00", "grams": 0.62}]


def test_the_written_options_build_a_plant_that_measures(prepare):
    for gateway in prepare():
        config = _config(gateway)
        plant = build(config["devices"], {**config["plant"]["options"], "mark_file": None})
        measured = list(plant.advance(NOW))
        assert {m.device_id for m in measured} == {d["device_id"] for d in config["devices"]}


def test_more_gateways_are_filled_evenly(prepare):
    gateways = prepare(patients=9, gateways=3)
    assert [len(_config(g)["plant"]["options"]["patients"]) for g in gateways] == [3, 3, 3]
