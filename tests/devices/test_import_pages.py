"""Many gateways and devices at once: checked line by line, registered all or none, and codes that leave once."""

from __future__ import annotations

import csv
import io
import logging

import pytest
from django.urls import reverse

from compliance.models import AccessRecord, Event, LogEntry
from devices.models import Device, Gateway, Pairing
from devices.pairing.address import parse_uri
from devices.pairing.codes import canonical
from devices.protocol.suites import Suite
from devices.provisioning.sheet import read_sheet
from devices.services import provisioning
from devices.services.provisioning import SheetRefused, provision
from devices.services.registry import register_device, register_gateway
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db
PAGE, LIST = "/devices/import/", "/devices/import/list/"


@pytest.fixture
def admin(fresh_client, cast):
    return fresh_client(cast["administrator"])


@pytest.fixture
def sheet(ward, patient) -> str:
    return (
        "kind;gateway;serial;label;ward;link;cipher;patient\n"
        f"gateway;North;;;{ward.name};ethernet;;\n"
        f"cgm;North;CGM-1;;;;;{patient.medical_record_number}\n"
        "infusion_pump;North;PUMP-1;By the window;;wired;aes-128-gcm;\n"
    )


def post(client, text: str, act: str = "check"):  # type: ignore[no-untyped-def]
    return client.post(PAGE, {"sheet": text, "act": act})


def lines_of(answer) -> list[dict[str, str]]:  # type: ignore[no-untyped-def]
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


def test_checking_says_what_would_be_and_changes_nothing(admin, sheet, patient) -> None:
    answer = post(admin, sheet)
    page = answer.content.decode()
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert "1 gateway and 2 devices" in page
    assert patient.name in page
    assert "Register all 3" in page
    assert not Gateway.objects.exists()
    assert not Event.objects.filter(code__endswith="_registered").exists()


def test_everything_in_the_file_is_registered_each_as_a_fact_under_the_administrators_name(
    admin, cast, sheet, ward, patient
) -> None:
    assert post(admin, sheet, "register").status_code == 200
    north = Gateway.objects.get()
    assert (north.name, north.ward, north.link) == ("North", ward, "ethernet")
    worn, spare = Device.objects.order_by("serial")
    assert (worn.serial, worn.label, worn.patient, worn.suite) == (
        "CGM-1",
        "Glucose monitor",
        patient,
        Suite.ASCON_AEAD128,
    )
    assert (spare.label, spare.link, spare.patient, spare.suite) == ("By the window", "wired", None, Suite.AES_128_GCM)
    facts = Event.objects.filter(code__in=["gateway_registered", "device_registered", "device_assigned"])
    assert sorted(facts.values_list("code", flat=True)) == [
        "device_assigned",
        "device_registered",
        "device_registered",
        "gateway_registered",
    ]
    assert {event.user for event in facts} == {cast["administrator"]}
    assert LogEntry.objects.filter(event_id__in=[event.pk for event in facts]).count() == 4


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("North;CGM-1", "South;CGM-1", "There is no gateway “South” in your reach"),
        ("PUMP-1", "CGM-1", "Line 3 has the same serial number"),
        ("PUMP-1", "TAKEN", "already there"),
        ("North;PUMP-1", "West;PUMP-1", "There is no gateway “West” in your reach"),
        ("aes-128-gcm", "photon-beetle-aead128", "this house does not let devices use it"),
        (";ethernet", ";pigeon", "is not one of wifi"),
    ],
)
def test_one_wrong_line_keeps_the_whole_file_out(admin, sheet, other_ward, before, after, says) -> None:
    west = register_gateway(name="West", ward=other_ward)
    register_device(serial="TAKEN", kind="cgm", label="There", gateway=west, patient=None)
    for act in ("check", "register"):
        answer = post(admin, sheet.replace(before, after), act)
        assert answer.status_code == 400
        assert says in answer.content.decode()
        assert "Nothing was registered" in answer.content.decode()
    assert list(Gateway.objects.all()) == [west]
    assert Device.objects.count() == 1


def test_wards_and_patients_of_others_are_no_places_for_anything(
    admin, sheet, ward, other_ward, patient, foreign_patient
) -> None:
    page = post(admin, sheet.replace(ward.name, other_ward.name)).content.decode()
    assert "Of your wards none is named" in page
    page = post(admin, sheet.replace(patient.medical_record_number, foreign_patient.medical_record_number))
    assert page.status_code == 400
    assert "none has this record number" in page.content.decode()
    assert foreign_patient.name not in page.content.decode()


def test_what_somebody_registered_in_between_leaves_nothing_behind(cast, sheet, ward, monkeypatch) -> None:
    """The file was in order when it was compared; a device of the same serial number came before its turn."""
    real = provisioning.register_gateway

    def meanwhile(**facts):  # type: ignore[no-untyped-def]
        made = real(**facts)
        register_device(serial="PUMP-1", kind="cgm", label="First", gateway=made, patient=None)
        return made

    monkeypatch.setattr(provisioning, "register_gateway", meanwhile)
    with pytest.raises(SheetRefused, match="PUMP-1 is already there"):
        provision(read_sheet(sheet), cast["administrator"])
    assert not Gateway.objects.exists()
    assert not Device.objects.exists()


def test_codes_are_in_the_file_that_is_downloaded_and_nowhere_else(admin, sheet, caplog) -> None:
    post(admin, sheet, "register")
    north, devices = Gateway.objects.get(), list(Device.objects.order_by("pk"))
    asked = {"gateway": [north.pk], "device": [one.pk for one in devices], "codes": "yes"}
    with caplog.at_level(logging.DEBUG):
        answer = admin.post(LIST, asked)
    assert answer["Content-Disposition"].startswith('attachment; filename="medtwin-devices-')
    assert answer["Cache-Control"] == "no-store"
    lines = lines_of(answer)
    assert [(line["kind"], line["number"], line["serial"]) for line in lines] == [
        ("gateway", str(north.pk), ""),
        ("cgm", str(devices[0].pk), "CGM-1"),
        ("infusion_pump", str(devices[1].pk), "PUMP-1"),
    ]
    addresses = [parse_uri(line["pairing_address"]) for line in lines]
    assert [address.subject.number for address in addresses] == [north.pk, *(one.pk for one in devices)]
    assert addresses[2].suite is Suite.AES_128_GCM
    assert Pairing.objects.count() == 3
    told = caplog.text + "".join(f"{event.message}{event.detail}" for event in Event.objects.all())
    told += "".join(str(record) for record in LogEntry.objects.values_list("record", flat=True))
    for address in addresses:
        assert address.code not in told
        assert (canonical(address.code) or "?") not in told
    assert Event.objects.filter(code="pairing_code_made").count() == 3


def test_the_list_without_codes_makes_none(admin, sheet) -> None:
    post(admin, sheet, "register")
    answer = admin.post(LIST, {"device": [one.pk for one in Device.objects.all()], "codes": "no"})
    assert [line["pairing_address"] for line in lines_of(answer)] == ["", ""]
    assert not Pairing.objects.exists()


def test_whose_devices_are_read_and_listed_is_noted(admin, sheet, patient) -> None:
    post(admin, sheet)
    assert AccessRecord.objects.filter(patient=patient).values_list("what", flat=True).get() == "wearers"
    post(admin, sheet, "register")
    AccessRecord.objects.all().delete()
    admin.post(LIST, {"device": [one.pk for one in Device.objects.all()]})
    assert AccessRecord.objects.filter(patient=patient).values_list("what", flat=True).get() == "devices"


def test_no_list_and_no_code_is_had_of_what_is_not_ones_own(admin, sheet, other_ward) -> None:
    post(admin, sheet, "register")
    west = register_gateway(name="West", ward=other_ward)
    mine = Gateway.objects.get(name="North")
    for asked in ({"gateway": [west.pk]}, {"gateway": [mine.pk, west.pk]}, {}, {"gateway": ["x"]}):
        assert admin.post(LIST, asked | {"codes": "yes"}).status_code == 404
    assert not Pairing.objects.exists()


def test_a_cell_that_a_spreadsheet_would_run_is_made_harmless(admin, ward) -> None:
    gateway = Gateway.objects.create(name="=cmd()", ward=ward)
    (line,) = lines_of(admin.post(LIST, {"gateway": [gateway.pk]}))
    assert line["gateway"] == "'=cmd()"


def test_only_an_administrator_with_a_fresh_factor_brings_files_in(client, cast, sheet) -> None:
    for role in ("nurse", "physician", "caregiver", "trainer", "outsider"):
        sign_in(client, cast[role], fresh=True)
        assert client.get(PAGE).status_code == 403
        assert post(client, sheet, "register").status_code == 403
    sign_in(client, cast["administrator"])
    assert "step-up" in post(client, sheet, "register")["Location"]
    assert not Gateway.objects.exists()


def test_the_page_of_devices_leads_to_it(admin) -> None:
    assert reverse("devices:import") in admin.get("/devices/").content.decode()
