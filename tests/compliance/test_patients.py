"""How patients come in, and move."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from compliance.errors import PatientInvalid, PatientTaken
from compliance.models import Event, LogEntry, Patient, Ward
from compliance.selectors.identities import with_number
from compliance.services.patients import Admission, admit_patient, move_patient

pytestmark = pytest.mark.django_db
ADA = Admission("T-500", "Ada", "Byron", date(1961, 5, 17), weight_kg=70.0, bed="4-2")
LINES = "medical_record_number,given_name,family_name,birth_date,weight_kg\n"


def test_an_admission_is_an_event_and_an_entry_of_the_log_without_a_name(ward) -> None:
    patient = admit_patient(ward=ward, admission=ADA)
    event = Event.objects.get(code="patient_admitted", patient=patient)
    record = LogEntry.objects.get(event_id=event.pk).record or ""
    assert str(patient.pk) in record
    assert not [word for word in ("Ada", "Byron", "T-500") if word in record]


def test_a_record_number_is_given_once(ward, other_ward) -> None:
    admit_patient(ward=ward, admission=ADA)
    with pytest.raises(PatientTaken):
        admit_patient(ward=other_ward, admission=replace(ADA, given_name="Another"))
    assert with_number("T-500").get().given_name == "Ada"
    assert Event.objects.filter(code="patient_admitted").count() == 1


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"given_name": ""}, "given name"),
        ({"family_name": "B" * 81}, "family name"),
        ({"sex": "unsaid"}, "sex"),
        ({"time_zone": "Moon/Tycho"}, "time zone"),
        ({"weight_kg": 7000.0}, "weight kg"),
        ({"birth_date": timezone.now().date() + timedelta(days=2)}, "birth date"),
        ({"birth_date": date(1800, 1, 1)}, "birth date"),
    ],
)
def test_what_cannot_be_true_is_refused_by_name(ward, wrong: dict[str, object], named: str) -> None:
    with pytest.raises(PatientInvalid, match=named) as refused:
        admit_patient(ward=ward, admission=replace(ADA, **wrong))
    assert "Byron" not in refused.value.message
    assert not Patient.objects.exists()


def test_who_works_on_the_former_ward_loses_sight_and_the_other_ward_gains_it(patient, other_ward, cast) -> None:
    nurse = cast["nurse"]
    assert nurse.has_perm("compliance.view_patient", patient)
    move_patient(patient=patient, ward=other_ward, bed="9-1")
    moved = Patient.objects.get(pk=patient.pk)
    assert (moved.ward, moved.bed) == (other_ward, "9-1")
    assert not nurse.has_perm("compliance.view_patient", moved)
    event = Event.objects.get(code="patient_moved", patient=patient)
    assert event.detail == {"from": patient.ward_id, "ward": other_ward.pk}


def test_a_move_to_where_the_patient_lies_is_no_event(patient) -> None:
    move_patient(patient=patient, ward=patient.ward, bed=patient.bed)
    assert not Event.objects.filter(code="patient_moved").exists()


def _admit(text: str, ward: Ward, monkeypatch: pytest.MonkeyPatch) -> str:
    said = io.StringIO()
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    call_command("admit_patient", "-", "--ward", ward.name, stdout=said)
    return said.getvalue()


def test_a_file_is_admitted_once_however_often_it_comes(ward, monkeypatch: pytest.MonkeyPatch) -> None:
    text = LINES + "T-1,Ada,Byron,1961-05-17,70\nT-2,Carl,Gauss,1957-04-30,\n"
    assert "2 admitted" in _admit(text, ward, monkeypatch)
    assert "0 admitted" in _admit(text, ward, monkeypatch)
    assert with_number("T-2").get().weight_kg is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("T-2,Carl,Gauss,30.4.1957,70", "Line 3: birth_date"),
        ("T-2,Carl,Gauss,1957-04-30,heavy", "Line 3: weight_kg"),
        ("T-2,Carl,,1957-04-30,70", "Line 3: .*family name"),
        ("T-2,Carl,Gauss,1957-04-30,70,more", "Line 3: .*columns"),
    ],
)
def test_a_wrong_line_is_named_and_admits_nobody(ward, line: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match=said) as refused:
        _admit(f"{LINES}T-1,Ada,Byron,1961-05-17,70\n{line}\n", ward, monkeypatch)
    assert "Gauss" not in str(refused.value)
    assert not Patient.objects.exists()


def test_a_file_with_other_columns_is_refused_with_those_it_may_have(ward, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("number,name\n1,Ada\n")
    with pytest.raises(CommandError, match=r"missing: birth_date.*Known: medical_record_number"):
        call_command("admit_patient", str(file), "--ward", ward.name)


def test_an_unknown_ward_is_refused_with_those_that_are_there(ward, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=f"one of '{ward.name}'"):
        call_command("admit_patient", "-", "--ward", "Ward 400")


def test_a_ward_is_added_once_and_is_an_event() -> None:
    said = io.StringIO()
    for _ in range(2):
        call_command("add_ward", "Ward  5", stdout=said)
    assert Ward.objects.get().name == "Ward 5"
    assert Event.objects.filter(code="ward_added").count() == 1
    assert said.getvalue() == "Ward 5\nWard 5\n"
