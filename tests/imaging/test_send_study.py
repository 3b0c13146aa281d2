"""`manage.py send_study` takes the sealed path, and the samples are there without the network."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from imaging.models import Study, StudyState
from imaging.services.samples import write_samples

pytestmark = pytest.mark.django_db


@pytest.fixture
def home(hospital, settings, tmp_path) -> None:  # type: ignore[no-untyped-def]
    settings.HOME = tmp_path


def test_folder_of_dicom_is_sent_opened_and_shown(home, dicom_folder, patient, run_jobs) -> None:
    out = StringIO()
    call_command("send_study", str(dicom_folder), "--patient", str(patient.pk), "--urgency", "stat", stdout=out)
    run_jobs()
    study = Study.objects.get()
    assert str(study.pk) in out.getvalue()
    assert (study.state, study.patient, study.urgency) == (StudyState.READY, patient, 0)
    assert study.gateway.devices.get().kind == "mr_scanner"


def test_second_command_uses_the_same_scanner(home, dicom_folder, patient) -> None:
    for _ in range(2):
        call_command("send_study", str(dicom_folder), "--patient", str(patient.pk), stdout=StringIO())
    assert Study.objects.count() == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["/nowhere/at/all"], "not a folder"),
        (["EMPTY"], "not_dicom"),
        (["DICOM", "--patient", "00000000-0000-0000-0000-000000000001"], "no such patient"),
        (["DICOM", "--server", "ftp://x"], "study_malformed"),
        (["DICOM", "--server", "http://127.0.0.1:9"], "not sent"),
    ],
)
def test_what_cannot_be_sent_gets_one_sentence(home, ward, dicom_folder, tmp_path, arguments, says) -> None:
    (tmp_path / "empty").mkdir()
    places = {"EMPTY": str(tmp_path / "empty"), "DICOM": str(dicom_folder)}
    with pytest.raises(CommandError, match=says):
        call_command("send_study", *[places.get(word, word) for word in arguments], stdout=StringIO())
    assert not Study.objects.exists()


def test_samples_are_complete_and_say_what_they_are(tmp_path) -> None:
    from imaging.agent import read_note
    from imaging.agent.source import content_of

    found = write_samples(tmp_path)
    assert [(path.name, content_of(path)) for path in found] == [
        ("mr", "dicom"),
        ("ct", "dicom"),
        ("mr_overlay", "dicom"),
        ("mr_stack", "dicom"),
        ("phantom", "kspace"),
    ]
    assert [read_note(path).synthetic for path in found] == [False, False, False, False, True]
