"""Provenance: every version that a history shows has somebody behind it, told to those who may see it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from compliance.models import MedicationOrder, Regimen
from tests.compliance.fhir.conftest import Caller, make_regimen, statement_of
from tests.compliance.fhir.test_histories import correct
from tests.devices.fhir.test_observations import post_external


def about(caller: Caller, target: str) -> list[dict]:
    """Return what is said of a resource, newest first."""
    answer = caller.get(f"Provenance?target={target}")
    assert answer.status == 200, answer.body
    return [row["resource"] for row in answer.body.get("entry", [])]


def authors(rows: list[dict]) -> list[str | None]:
    """Return the numbers of the people who did it; None for the house."""
    return [row["agent"][0]["who"].get("identifier", {}).get("value") for row in rows]


def test_a_correction_says_who_changed_what_and_never_what_stood_there(nurse: Caller, cast, patient) -> None:
    correct(cast, patient, "family_name", "Lovelace")
    (one,) = about(nurse, f"Patient/{patient.pk}")
    assert authors([one]) == [str(cast["administrator"].pk)]
    assert one["target"] == [{"reference": f"Patient/{patient.pk}"}]
    assert one["agent"][1]["who"] == {"reference": f"Patient/{patient.pk}"}
    assert one["reason"][0]["text"] == "Correction of: Last name"
    assert one["recorded"] == nurse.get(f"Patient/{patient.pk}").body["meta"]["lastUpdated"]
    assert "Byron" not in str(one) + str(nurse.get("Provenance/_history").body)
    assert nurse.get(f"Provenance/{one['id']}").body == one
    assert nurse.get(f"Provenance/{one['id']}/_history").body["total"] == 1


def test_each_version_of_a_history_has_its_provenance(nurse: Caller, cast, patient, regimen) -> None:
    made = nurse.post("MedicationStatement", statement_of(regimen)).body
    nurse.put(f"MedicationStatement/{made['id']}", made | {"status": "entered-in-error"})
    Regimen.objects.filter(pk=regimen.pk).update(stopped_at=timezone.now())
    sent = post_external(nurse, patient).body
    correct(cast, patient, "sex", "other")
    for target in (f"MedicationStatement/{made['id']}", f"MedicationRequest/{regimen.pk}", f"Observation/{sent['id']}"):
        versions = nurse.get(f"{target}/_history").body["entry"]
        found = about(nurse, target)
        assert [row["recorded"] for row in found] == [row["response"]["lastModified"] for row in versions], target
    people = authors(about(nurse, f"MedicationStatement/{made['id']}"))
    assert people == [str(cast["nurse"].pk)] * 2
    assert authors(about(nurse, f"Observation/{sent['id']}")) == [str(cast["nurse"].pk)]


def test_who_prescribed_and_who_stopped_are_told_apart(nurse: Caller, cast, patient) -> None:
    regimen, now = make_regimen(patient), timezone.now()
    MedicationOrder.objects.create(
        patient=patient, regimen=regimen, drug_key="x", atc="C07AB02", dose=50, unit="mg", max_single=50, max_daily=100,
        min_interval_minutes=60, prescribed_by=cast["physician"], prescribed_at=now - timedelta(days=1),
        ended_by=cast["nurse"], ended_at=now, end_reason="done",
    )  # fmt: skip
    assert authors(about(nurse, f"MedicationRequest/{regimen.pk}")) == [str(cast["physician"].pk)]
    Regimen.objects.filter(pk=regimen.pk).update(ends_on=now.date() - timedelta(days=1), starts_on="2020-01-01")
    assert authors(about(nurse, f"MedicationRequest/{regimen.pk}"))[0] is None, "its last day ended it"
    Regimen.objects.filter(pk=regimen.pk).update(stopped_at=now)
    assert authors(about(nurse, f"MedicationRequest/{regimen.pk}"))[0] == str(cast["nurse"].pk)


def test_pages_over_all_parts_give_each_once_in_order(nurse: Caller, cast, patient, regimen) -> None:
    for name in ("A", "B"):
        correct(cast, patient, "given_name", name)
        made = nurse.post("MedicationStatement", statement_of(make_regimen(patient))).body
        nurse.put(f"MedicationStatement/{made['id']}", made | {"status": "entered-in-error"})
        post_external(nurse, patient)
    whole = nurse.get("Provenance?_count=200")
    assert whole.body["total"] == len(whole.ids()) == len(set(whole.ids())) == 11
    recorded = [row["resource"]["recorded"] for row in whole.body["entry"]]
    assert recorded == sorted(recorded, reverse=True)
    for count in (1, 2, 3, 7):
        assert nurse.walk(f"Provenance?_count={count}") == whole.ids()
    assert nurse.walk("Provenance?_count=2&_sort=recorded") == whole.ids()[::-1]
    assert nurse.walk("Provenance?_count=2&_sort=-_lastUpdated") == whole.ids()
    assert nurse.get(f"Provenance?_id={whole.ids()[0].partition('/')[2]}").ids() == whole.ids()[:1]
    assert nurse.get(f"Provenance?patient={patient.pk}").body["total"] == 11
    assert nurse.get("Provenance?recorded=lt2020").body["total"] == 0


def test_each_part_asks_its_own_right(cast, token_of, patient, regimen, foreign_patient) -> None:
    correct(cast, patient, "family_name", "Lovelace")
    correct(cast, foreign_patient, "family_name", "Murray")
    assert len(token_of(cast["nurse"]).get("Provenance").ids()) == 2
    administrator = token_of(cast["administrator"])
    assert authors(about(administrator, f"Patient/{patient.pk}")) == [str(cast["administrator"].pk)]
    assert administrator.get("Provenance").body["total"] == 1
    assert administrator.get(f"Provenance/r{regimen.pk}").status == 404
    foreign = about(administrator, f"Patient/{foreign_patient.pk}")
    assert foreign == []
    assert token_of(cast["outsider"]).get("Provenance").status == 403
    assert token_of(cast["nurse"], "patient/*.rs", patient).get("Provenance").body["total"] == 2


@pytest.mark.parametrize("key", ["c", "cx", "w", "w0x", "r", "e-1", "x", "xx1", "c" + "0" * 36, "1w", "rr1", "٣"])
def test_an_id_that_is_none_is_not_found(nurse: Caller, regimen, key: str) -> None:
    assert nurse.get(f"Provenance/{key}").status == 404
