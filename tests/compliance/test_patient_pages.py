"""The pages on which patients come in and move."""

from __future__ import annotations

import pytest

from compliance.models import Event, Patient
from compliance.selectors.identities import with_number
from tests.conftest import sign_in

BORN = "1962-03-23"
pytestmark = pytest.mark.django_db


def _form(ward, **changed: object) -> dict[str, object]:
    said = {"medical_record_number": "T-700", "given_name": "Emmy", "family_name": "Noether", "birth_date": BORN}
    return {**said, "sex": "female", "weight_kg": "", "ward": ward.pk, "bed": "4-9", "conditions": "", **changed}


def test_a_nurse_admits_a_patient_and_sees_the_record(client, cast, ward) -> None:
    sign_in(client, cast["nurse"])
    response = client.post("/patients/admit/", _form(ward))
    made = with_number("T-700").get()
    assert response.headers["Location"] == f"/patients/{made.pk}/"
    assert client.get(f"/patients/{made.pk}/").status_code == 200
    assert Event.objects.get(code="patient_admitted").user.role == "nurse"


def test_nobody_is_admitted_to_a_ward_on_which_one_does_not_work(client, cast, other_ward) -> None:
    sign_in(client, cast["nurse"])
    assert other_ward.name not in client.get("/patients/admit/").content.decode()
    assert client.post("/patients/admit/", _form(other_ward)).status_code == 400
    assert not with_number("T-700").exists()


def test_a_number_in_use_is_said_kept_as_an_event_and_loses_nothing_typed(client, cast, patient, ward) -> None:
    sign_in(client, cast["nurse"])
    response = client.post("/patients/admit/", _form(ward, medical_record_number=patient.medical_record_number))
    assert response.status_code == 400
    assert "in use already" in response.content.decode()
    assert 'value="Noether"' in response.content.decode()
    assert Event.objects.filter(code="patient_taken").exists()
    assert Patient.objects.count() == 1


@pytest.mark.parametrize("wrong", [{"birth_date": "2999-01-01"}, {"weight_kg": "9000"}, {"family_name": ""}])
def test_what_cannot_be_true_is_said_beside_the_form(client, cast, ward, wrong: dict[str, object]) -> None:
    assert sign_in(client, cast["nurse"]).post("/patients/admit/", _form(ward, **wrong)).status_code == 400
    assert not Patient.objects.filter(bed="4-9").exists()


def test_a_move_to_a_ward_of_ones_own_is_written_down(client, cast, patient, ward) -> None:
    sign_in(client, cast["nurse"])
    page = f"/patients/{patient.pk}/move/"
    assert client.get(page).status_code == 200
    client.post(page, {"ward": ward.pk, "bed": "4-7"})
    assert Patient.objects.get(pk=patient.pk).bed == "4-7"
    assert Event.objects.filter(code="patient_moved", patient=patient).exists()


def test_a_patient_of_another_ward_is_moved_by_nobody_here(client, cast, foreign_patient, ward) -> None:
    response = sign_in(client, cast["nurse"]).post(
        f"/patients/{foreign_patient.pk}/move/", {"ward": ward.pk, "bed": "4-7"}
    )
    assert response.status_code == 404
    assert Patient.objects.get(pk=foreign_patient.pk).ward_id == foreign_patient.ward_id
