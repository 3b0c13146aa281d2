"""MedicationAdministration shows what was recorded, and a refused dose stays on record whatever rolls back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from compliance.models import Event, Outcome
from compliance.services.administrations import Entry, correct_entry, record_dose
from tests.compliance.fhir.conftest import statement_of
from tests.compliance.orders.conftest import enoxaparin, now, ordered, ramipril, written

__all__ = ["enoxaparin", "now", "ordered", "ramipril", "written"]


def test_the_amount_and_time_of_the_corrected_entry_are_shown(nurse, cast, ramipril, now) -> None:
    _order, dose = ramipril
    taken_at = now - timedelta(minutes=20)
    first = record_dose(
        dose=dose, user=cast["nurse"], entry=Entry(Outcome.GIVEN, taken_at, 5.0), now=now - timedelta(minutes=2)
    )
    before = nurse.get(f"MedicationAdministration/{dose.pk}").body
    assert before["dosage"]["dose"]["value"] == 5.0
    assert before["performer"][0]["actor"]["identifier"]["value"] == str(cast["nurse"].pk)
    half = Entry(Outcome.GIVEN, taken_at - timedelta(minutes=9), 2.5)
    correct_entry(entry=first, user=cast["physician"], becomes=half, reason="wrong_amount", now=now)
    after = nurse.get(f"MedicationAdministration/{dose.pk}").body
    assert after["dosage"]["dose"] == {
        "value": 2.5, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"
    }  # fmt: skip
    assert after["effectiveDateTime"] == half.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert after["performer"][0]["actor"]["identifier"]["value"] == str(cast["physician"].pk)
    assert after["meta"]["versionId"] != before["meta"]["versionId"]
    assert after["meta"]["lastUpdated"] > before["meta"]["lastUpdated"]
    moment = half.at.isoformat().replace("+00:00", "Z")
    assert nurse.get(f"MedicationAdministration?effective-time={moment}").ids() == [
        f"MedicationAdministration/{dose.pk}"
    ]


def test_a_dose_that_was_withheld_says_why(nurse, cast, ramipril, now) -> None:
    _order, dose = ramipril
    record_dose(dose=dose, user=cast["nurse"], entry=Entry(Outcome.WITHHELD, now, reason="vitals"), now=now)
    shown = nurse.get(f"MedicationAdministration/{dose.pk}").body
    assert shown["status"] == "not-done"
    assert shown["statusReason"] == [{"text": "vital signs out of range"}]
    assert "dosage" not in shown


def test_an_entry_that_was_taken_back_is_no_administration(nurse, cast, ramipril, now) -> None:
    _order, dose = ramipril
    first = record_dose(dose=dose, user=cast["nurse"], entry=Entry(Outcome.GIVEN, now, 5.0), now=now)
    correct_entry(entry=first, user=cast["nurse"], becomes=Entry(Outcome.VOID, now), reason="mistake", now=now)
    assert nurse.get(f"MedicationAdministration/{dose.pk}").status == 404


@pytest.mark.parametrize("kind", ["", "batch", "transaction"])
def test_a_dose_that_the_guard_refuses_is_on_record_although_all_else_rolls_back(nurse, enoxaparin, kind) -> None:
    order, _dose = enoxaparin
    statement = statement_of(order.regimen, medicationCodeableConcept={"text": _medicine(nurse, order)})
    if kind:
        entry = {"request": {"method": "POST", "url": "MedicationStatement"}, "resource": statement}
        answer = nurse.post("", {"resourceType": "Bundle", "type": kind, "entry": [entry]})
    else:
        answer = nurse.post("MedicationStatement", statement)
    assert answer.status == (200 if kind == "batch" else 409), answer.body
    assert nurse.get("MedicationStatement").body["total"] == 0
    refused = Event.objects.filter(message="The dose guard refused a dose.")
    assert refused.count() == 1
    assert refused.get().patient_id == order.patient_id


def _medicine(nurse, order) -> str:
    return nurse.get(f"MedicationRequest/{order.regimen_id}").body["medicationCodeableConcept"]["text"]
