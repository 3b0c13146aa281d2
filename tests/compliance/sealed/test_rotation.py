"""Keys are exchanged while the house runs: nothing is lost, whenever it is stopped, and nothing opens by accident."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from allauth.mfa.utils import decrypt
from django.core.management import CommandError, call_command
from django.utils import timezone

from compliance.errors import KeyWrong
from compliance.models import BulkExport, Event, ExportFile, ExportLevel, HouseKey, Patient
from compliance.models.keys import ARCHIVE_CHECK, house_key
from compliance.selectors.identities import with_number
from compliance.services.exports import key_of, seal_key
from compliance.services.house_keys import check_keys, stop_on_wrong_keys
from compliance.services.rotation import FIELD, columns_under, rotate
from devices.models import Device, FormerKey, Gateway
from devices.services.registry import device_key, register_device, renew_device_key
from imaging.models import Study
from imaging.services import archive

TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def house(cast, patient, foreign_patient, ward, settings, tmp_path) -> dict[str, Any]:
    """Something under each key of the house."""
    settings.IMAGING_DIR = tmp_path
    gateway = Gateway.objects.create(name="gw-1", ward=ward, public_key=bytes(32))
    device, _ = register_device(serial="A", kind="cgm", label="CGM", gateway=gateway, patient=patient)
    key = renew_device_key(device=device)
    now = timezone.now()
    export = BulkExport.objects.create(
        user=cast["administrator"],
        level=ExportLevel.SYSTEM,
        request="r",
        base="b",
        types="Patient",
        started_at=now,
        expires_at=now,
    )
    file = ExportFile.objects.create(export=export, type="Patient", number=1, lines=1, key_sealed=seal_key(b"k" * 32))
    study = Study.objects.create(gateway=gateway, content="dicom", archive_key=archive.new_study_key())
    archive.store(study, "a", b"pixels")
    return {"device": device.pk, "key": key, "file": file.pk, "study": study.pk}


def _all_opens(house: dict[str, Any], cast: dict[str, Any]) -> None:
    assert with_number("T-001").get().name == "Ada Byron"
    assert with_number("T-900").get().name == "Mary Somerville"
    assert device_key(Device.objects.get(pk=house["device"])) == house["key"]
    assert key_of(ExportFile.objects.get(pk=house["file"])) == b"k" * 32
    assert decrypt(cast["nurse"].authenticator_set.get().data["secret"]) == TOTP_SECRET
    assert archive.load(Study.objects.get(pk=house["study"]), "a") == b"pixels"
    check_keys()


def _exchange(settings: Any, key: str) -> None:
    setattr(settings, f"{key}_OLD", getattr(settings, key))
    setattr(settings, key, "a fresh key of the house")


@pytest.mark.parametrize("key", ["FIELD_KEY", "ARCHIVE_KEY"])
def test_after_an_exchange_the_former_key_is_needed_no_more(house, cast, settings, key):
    _exchange(settings, key)
    _all_opens(house, cast)
    out = StringIO()
    call_command("rotate_key", key, stdout=out)
    setattr(settings, f"{key}_OLD", "")
    _all_opens(house, cast)
    began, finished = Event.objects.filter(code__startswith="key_rotation").order_by("pk")
    assert (began.detail["key"], finished.detail["unreadable"]) == (key, 0)
    assert f"{finished.detail['anew']} wrapped anew" in out.getvalue()


def test_names_and_images_themselves_are_not_touched(house, settings):
    names = list(Patient.objects.order_by("pk").values_list("family_name", "record_number_index"))
    _exchange(settings, "FIELD_KEY")
    call_command("rotate_key", "FIELD_KEY", stdout=StringIO())
    assert list(Patient.objects.order_by("pk").values_list("family_name", "record_number_index")) == names


def test_a_dry_run_counts_and_changes_nothing(house, settings):
    _exchange(settings, "FIELD_KEY")
    before = list(Patient.objects.order_by("pk").values_list("subject_key"))
    out = StringIO()
    call_command("rotate_key", "FIELD_KEY", "--dry-run", stdout=out)
    expected = sum(column.rows().count() for column in columns_under(FIELD))
    assert f"{expected} lie under the former key" in out.getvalue()
    assert list(Patient.objects.order_by("pk").values_list("subject_key")) == before
    assert not Event.objects.filter(code__startswith="key_rotation").exists()


@pytest.mark.parametrize("batches", [1, 2, 4, 7])
def test_stopped_in_the_middle_it_leaves_a_house_that_runs_and_goes_on(house, cast, settings, batches):
    _exchange(settings, "FIELD_KEY")
    steps = rotate(key=FIELD, followed=True, batch=1)
    for _ in range(batches):
        next(steps)
    steps.close()
    _all_opens(house, cast)  # under both keys, with half of the rows under each
    assert not Event.objects.filter(code="key_rotation_finished").exists()
    call_command("rotate_key", "FIELD_KEY", stdout=StringIO())
    settings.FIELD_KEY_OLD = ""
    _all_opens(house, cast)


def test_what_opens_under_neither_key_is_named_and_left_alone(house, settings):
    FormerKey.objects.update(key_sealed=b"nonsense")
    _exchange(settings, "FIELD_KEY")
    with pytest.raises(CommandError, match="former keys of devices"):
        call_command("rotate_key", "FIELD_KEY", stdout=StringIO())
    assert bytes(FormerKey.objects.get().key_sealed) == b"nonsense"


def test_without_a_former_key_nothing_is_exchanged(house):
    with pytest.raises(CommandError, match="FIELD_KEY_OLD is not set"):
        call_command("rotate_key", "FIELD_KEY", stdout=StringIO())


@pytest.mark.parametrize("key", ["FIELD_KEY", "ARCHIVE_KEY"])
def test_under_a_wrong_key_nothing_starts(db, settings, key):
    check_keys()
    house_key(ARCHIVE_CHECK)
    setattr(settings, key, "somebody else's")
    with pytest.raises(KeyWrong) as refused:
        check_keys()
    assert refused.value.message.startswith(f"{key} is not the key")
    with pytest.raises(SystemExit, match=f"{key} is not the key"):
        stop_on_wrong_keys()
    assert HouseKey.objects.count() == 2
