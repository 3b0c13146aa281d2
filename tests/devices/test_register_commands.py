"""How gateways and devices get into the registry of a house, and their keys to where they are needed."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from compliance.models import Event
from devices.gateway.config import load
from devices.gateway.identity import load_identities
from devices.gateway.pair import pair
from devices.models import Device, DeviceAssignment, DevicePath, Gateway
from devices.pairing.address import parse_uri
from devices.services.pairing import answer
from devices.services.registry import device_key, register_gateway

pytestmark = pytest.mark.django_db
SERVER = "wss://medtwin.example/ws/gateway/"


def _say(*command: object) -> str:
    said = io.StringIO()
    call_command(*[str(word) for word in command], stdout=said)
    return said.getvalue()


def _gateway(folder: Path, name: str = "North") -> None:
    _say("register_gateway", name, "--ward", "Ward 4", "--folder", folder, "--server", SERVER)


def test_a_gateway_and_its_devices_come_with_files_that_the_agent_can_use(ward, patient, tmp_path: Path) -> None:
    _gateway(tmp_path / "north")
    number = patient.medical_record_number
    where = ("--gateway", "North", "--config", tmp_path / "north" / "config.json")
    _say("register_device", "S-1", "--kind", "cgm", *where, "--record-number", number)
    _say("register_device", "S-2", "--kind", "vital_signs_monitor", *where)
    config = load(tmp_path / "north" / "config.json")
    gateway = Gateway.objects.get()
    assert config.gateway_id == gateway.pk
    identities = load_identities(config.path(config.identity_file))
    assert identities.link.key.public_key().public_bytes_raw() == bytes(gateway.public_key)
    assert {device.device_id for device in config.devices} == set(Device.objects.values_list("pk", flat=True))
    assert config.server == SERVER
    assert Device.objects.get(serial="S-1").patient == patient
    assert Device.objects.get(serial="S-2").patient is None
    codes = set(Event.objects.values_list("code", flat=True))
    assert {"gateway_registered", "device_registered"} <= codes


def test_secrets_of_a_gateway_are_for_one_user_alone_and_are_not_printed(ward, tmp_path: Path) -> None:
    _gateway(tmp_path / "north")
    config = tmp_path / "north" / "config.json"
    said = _say("register_device", "S-1", "--kind", "cgm", "--gateway", "North", "--config", config)
    for place in (config, config.parent / "identity.json"):
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
    secrets = json.loads((config.parent / "identity.json").read_text())["gateway"]
    assert secrets["root"] not in said
    assert device_key(Device.objects.get()).hex() not in said + config.read_text()


def test_a_second_gateway_does_not_take_the_folder_of_the_first(ward, tmp_path: Path) -> None:
    _gateway(tmp_path / "north")
    before = (tmp_path / "north" / "identity.json").read_text()
    with pytest.raises(CommandError, match="another folder"):
        _gateway(tmp_path / "north", "South")
    assert (tmp_path / "north" / "identity.json").read_text() == before
    assert not Gateway.objects.filter(name="South").exists()


def test_a_name_that_is_taken_leaves_no_key_behind(ward, tmp_path: Path) -> None:
    _gateway(tmp_path / "north")
    with pytest.raises(CommandError, match="already there"):
        _gateway(tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_gateway_elsewhere_pairs_itself_with_the_address_that_is_printed(ward, tmp_path: Path) -> None:
    said = _say("register_gateway", "East", "--ward", "Ward 4", "--server", "https://medtwin.example")
    address = parse_uri(said.split("'")[-2])
    assert address.server == "https://medtwin.example"
    pair(address, tmp_path / "east", answer)
    assert load_identities(tmp_path / "east" / "identity.json").gateway_id == Gateway.objects.get().pk
    assert json.loads((tmp_path / "east" / "config.json").read_text())["server"] == SERVER
    with pytest.raises(CommandError, match="https://HOST"):
        _say("register_gateway", "West", "--ward", "Ward 4", "--server", SERVER)


def test_a_gateway_without_an_address_waits_for_its_page(ward) -> None:
    assert "its page" in _say("register_gateway", "East", "--ward", "Ward 4")
    assert Gateway.objects.get().root_sealed is None


def test_a_gateway_that_was_never_paired_keeps_its_keys_in_its_configuration(ward, tmp_path: Path) -> None:
    gateway = register_gateway(name="Old", ward=ward, public_key=bytes(32))
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"gateway_id": gateway.pk, "devices": []}))
    _say("register_device", "S-1", "--kind", "cgm", "--gateway", "Old", "--config", config)
    assert json.loads(config.read_text())["devices"][0]["key_hex"] == device_key(Device.objects.get()).hex()


def test_a_device_whose_key_cannot_be_written_is_not_registered(ward, tmp_path: Path) -> None:
    _gateway(tmp_path / "north")
    _gateway(tmp_path / "south", "South")
    for place, why in ((tmp_path / "nowhere.json", "can be read"), (tmp_path / "south" / "config.json", "another")):
        with pytest.raises(CommandError, match=why):
            _say("register_device", "S-1", "--kind", "cgm", "--gateway", "North", "--config", place)
    assert not Device.objects.exists()


def test_a_device_goes_to_a_patient_and_comes_back(ward, patient, tmp_path: Path) -> None:
    _gateway(tmp_path / "north")
    config = tmp_path / "north" / "config.json"
    _say("register_device", "S-1", "--kind", "cgm", "--gateway", "North", "--config", config)
    _say("assign_device", "S-1", "--record-number", patient.medical_record_number)
    assert Device.objects.get().patient == patient
    _say("assign_device", "S-1", "--nobody")
    span = DeviceAssignment.objects.get()
    assert span.patient_id == patient.pk
    assert span.ends_at is not None
    with pytest.raises(CommandError, match="No patient"):
        _say("assign_device", "S-1", "--record-number", "T-none")


class _Closed(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


def test_a_screen_that_went_away_takes_no_registration_back(ward, tmp_path: Path) -> None:
    _gateway(tmp_path / "north")
    config = tmp_path / "north" / "config.json"
    with pytest.raises(BrokenPipeError):
        call_command(
            "register_device", "S-1", "--kind", "cgm", "--gateway", "North", "--config", str(config), stdout=_Closed()
        )
    assert [device.device_id for device in load(config).devices] == [Device.objects.get().pk]


def test_a_further_gateway_speaks_for_a_device_until_that_is_taken_back(ward, tmp_path: Path) -> None:
    _gateway(tmp_path / "north")
    _gateway(tmp_path / "south", "South")
    _say("register_device", "S-1", "--kind", "cgm", "--gateway", "North")
    config = tmp_path / "south" / "config.json"
    said = _say("device_path", "S-1", "--gateway", "South", "--config", config)
    path = DevicePath.objects.get()
    assert str(path.number) in said
    assert [(one.device_id, one.kind) for one in load(config).devices] == [(path.number, "cgm")]
    assert "key_hex" not in config.read_text(), "a gateway that was paired makes its own keys"
    _say("device_path", "S-1", "--gateway", "South", "--end")
    path.refresh_from_db()
    assert path.ended_at is not None
    for gateway, why in (("South", "does not speak"), ("Nowhere", "no such")):
        with pytest.raises(CommandError, match=why):
            _say("device_path", "S-1", "--gateway", gateway, "--end")
    with pytest.raises(CommandError, match="belongs to"):
        _say("device_path", "S-1", "--gateway", "North")
