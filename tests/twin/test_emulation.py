"""The emulated ward as registered: idempotent, recoverable, and readable by nobody else."""

from __future__ import annotations

import json
import stat

import pytest

from compliance.models import Medication, Patient, Regimen
from devices.gateway.config import load
from devices.gateway.identity import load_identities
from devices.gateway.pair import IDENTITY
from devices.models import Device, Gateway
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


def test_every_device_is_described_to_its_paired_gateway_without_a_key(prepare):
    gateways = prepare()
    described = {d["device_id"]: d for gateway in gateways for d in _config(gateway)["devices"]}
    assert {number: one["kind"] for number, one in described.items()} == {d.pk: d.kind for d in Device.objects.all()}
    assert not any("key" in name for one in described.values() for name in one)
    assert all(load(gateway.config).identity_file == IDENTITY for gateway in gateways)
    assert not Gateway.objects.filter(root_sealed=None).exists()


def test_key_and_configuration_are_private(prepare):
    for gateway in prepare():
        for path in (gateway.config, gateway.config.parent / IDENTITY):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_names_never_reach_a_gateway(prepare):
    text = "".join(gateway.config.read_text() for gateway in prepare())
    for patient in Patient.objects.all():
        assert patient.family_name not in text
        assert patient.medical_record_number not in text


def test_a_gateway_whose_folder_was_lost_gets_fresh_keys(prepare):
    place = prepare()[0].config.parent / IDENTITY
    lost = load_identities(place)
    place.unlink()
    renewed = load_identities(prepare()[0].config.parent / IDENTITY)
    assert renewed.gateway_id == lost.gateway_id
    assert renewed.root != lost.root
    assert renewed.serial != lost.serial


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


def test_the_first_patients_speak_over_bluetooth(prepare):
    first, second = map(_config, prepare(over_bluetooth=2))
    assert first["radio"] == "virtual"
    assert "radio" not in second
    aired = {entry["device_id"] for entry in first["devices"] if "address" in entry}
    worn = [set(patient["devices"].values()) for patient in first["plant"]["options"]["patients"]]
    assert aired == worn[0] | worn[1]
    assert len({entry["address"] for entry in first["devices"] if "address" in entry}) == len(aired)


def test_gateways_of_a_demonstration_have_a_page_each_and_act_on_pumps(prepare):
    gateways = prepare(pages_from=8780)
    loaded = [load(gateway.config) for gateway in gateways]
    assert [config.page.port for config in loaded] == [8780, 8781]
    assert all(config.edge.actuate for config in loaded)
    assert all(config.energy is not None and config.energy.battery is None for config in loaded)
    pairs = [pair for config in loaded for pair in config.edge.pairs]
    assert pairs
    for pair in pairs:
        worn = Device.objects.in_bulk([pair.cgm, pair.pump])
        assert [worn[pair.cgm].kind, worn[pair.pump].kind] == ["cgm", "insulin_pump"]
        assert worn[pair.cgm].patient_id == worn[pair.pump].patient_id
    assert all(load(gateway.config).page.port is None for gateway in prepare())
