"""Searches: parameters, modifiers, pages, what they bring with them, and what they refuse."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.compliance.fhir.conftest import Caller, make_regimen
from tests.conftest import _patient


def test_patients_are_found_by_post_and_not_by_url(nurse: Caller, patient, foreign_patient) -> None:
    found = nurse.search("Patient", name="byron")
    assert found.ids() == [f"Patient/{patient.pk}"]
    assert "byron" not in found.link("self").lower()
    assert nurse.get(found.link("self")).ids() == found.ids()
    refused = nurse.get("Patient?name=byron")
    assert refused.status == 400
    assert "POST" in refused.why


@pytest.mark.parametrize(
    ("form", "hit"),
    [
        ({"family": "Byron"}, True),
        ({"family:exact": "byron"}, False),
        ({"family:contains": "YRO"}, True),
        ({"given": "Byron"}, False),
        ({"identifier": "T-001"}, True),
        ({"identifier": "urn:medtwin:medical-record-number|T-001"}, True),
        ({"identifier": "urn:other|T-001"}, False),
        ({"birthdate": "1961-05-17"}, True),
        ({"birthdate": "1961"}, True),
        ({"birthdate": "ne1961-05"}, False),
        ({"birthdate": "lt1961-05-18"}, True),
        ({"birthdate": "gt1961-05-17"}, False),
        ({"gender": "female"}, True),
        ({"gender": "male,female"}, True),
        ({"gender:not": "female"}, False),
        ({"name": "x\\,y,Ada"}, True),
        ({"name": "'; drop table compliance_patient; --"}, False),
        ({"_id": "00000000-0000-4000-8000-000000000000"}, False),
    ],
)
def test_a_parameter_means_what_fhir_says(nurse: Caller, patient, form: dict[str, str], hit: bool) -> None:
    assert nurse.search("Patient", **form).ids() == ([f"Patient/{patient.pk}"] if hit else [])


@pytest.mark.parametrize(
    "query",
    [
        "nothing=1",
        "gender:exact=female",
        "birthdate=yesterday",
        "birthdate=2026-13-01",
        "birthdate=0001-01-01",
        "birthdate=9999",
        "_count=-1",
        "_count=x",
        "_sort=bed",
        "_sort=_id,_id",
        "_include=Patient:nothing",
        "_revinclude=Patient:nothing",
        "_summary=maybe",
        "_elements=a%20b",
        "_page=forged",
        "gender=a|b|c",
        "gender=",
        "gender=%00",
        "patient.name=x",
        "_has:Observation:patient:code=1",
        "gender=" + ",".join("x" * 51),
        "&".join(["gender=male"] * 41),
        "gender=" + "x" * 300,
    ],
)
def test_what_cannot_be_understood_is_refused(nurse: Caller, query: str) -> None:
    assert nurse.get(f"Patient?{query}").status == 400


def test_lenient_handling_says_what_it_left_out(nurse: Caller, patient) -> None:
    answer = nurse.get("Patient?nothing=1&gender=female", Prefer="handling=lenient")
    assert answer.ids() == [f"Patient/{patient.pk}"]
    warning = answer.body["entry"][-1]
    assert warning["search"]["mode"] == "outcome"
    assert "nothing" in warning["resource"]["issue"][0]["diagnostics"]
    assert "nothing" not in answer.link("self")
    assert nurse.get("Patient?gender=a|b|c", Prefer="handling=lenient").status == 400


def test_pages_hold_every_row_once_while_rows_come_in(nurse: Caller, ward) -> None:
    before = {f"Patient/{_patient(ward, f'P-{n}', 'A', 'B').pk}" for n in range(23)}
    page = nurse.get("Patient?_count=5")
    assert page.body["total"] == 24
    found = page.ids()
    while page.link("next"):
        _patient(ward, f"N-{len(found)}", "New", "Come")
        page = nurse.get(page.link("next"))
        found += page.ids()
    assert len(found) == len(set(found))
    assert before <= set(found)


@pytest.mark.parametrize("sort", ["_id", "-_id", "effective-time", "-effective-time", "_lastUpdated,-effective-time"])
def test_every_order_walks_all(nurse: Caller, regimen, patient, sort: str) -> None:
    from compliance.models import ScheduledDose

    now = timezone.now()
    for n in range(9):
        due = now - timedelta(days=3, hours=n // 3)
        ScheduledDose.objects.create(
            regimen=regimen, patient=patient, due_at=due + timedelta(seconds=n), opens_at=due - timedelta(hours=1),
            closes_at=due + timedelta(hours=1), local_date=due.date(), state="missed",
            changed_at=now - timedelta(hours=n // 2),
        )  # fmt: skip
    found = nurse.walk(f"MedicationAdministration?_count=2&_sort={sort}")
    assert len(found) == len(set(found)) == 10
    whole = nurse.get(f"MedicationAdministration?_count=100&_sort={sort}").ids()
    assert found == whole


def test_a_page_link_opens_for_nobody_else(nurse: Caller, cast, token_of, ward) -> None:
    for number in range(3):
        _patient(ward, f"P-{number}", "A", "B")
    link = nurse.get("Patient?_count=1").link("next")
    assert nurse.get(link).status == 200
    assert token_of(cast["physician"]).get(link).status == 400
    assert token_of(cast["nurse"]).get(link).status == 400
    assert nurse.get(link.replace("/Patient?", "/AuditEvent?")).status in {400, 403}
    middle = len(link) - 8
    assert nurse.get(f"{link[:middle]}{'A' if link[middle] != 'A' else 'B'}{link[middle + 1 :]}").status == 400
    assert nurse.get(link + "&gender=male").status == 400


def test_an_old_page_link_is_gone(nurse: Caller, ward, monkeypatch) -> None:
    for number in range(3):
        _patient(ward, f"P-{number}", "A", "B")
    link = nurse.get("Patient?_count=1").link("next")
    monkeypatch.setattr("compliance.fhir.cursor.LASTS", timedelta(0))
    assert nurse.get(link).status == 410


def test_counting_brings_no_entries(nurse: Caller, patient) -> None:
    for query in ("_summary=count", "_count=0"):
        answer = nurse.get(f"Patient?{query}")
        assert answer.body["total"] == 1
        assert "entry" not in answer.body


def test_elements_and_summary_are_marked_as_not_all(nurse: Caller, patient, regimen) -> None:
    only = nurse.get("Patient?_elements=gender").body["entry"][0]["resource"]
    assert set(only) == {"resourceType", "id", "meta", "gender"}
    assert only["meta"]["tag"][-1]["code"] == "SUBSETTED"
    short = nurse.get("MedicationRequest?_elements=intent").body["entry"][0]["resource"]
    assert "status" in short, "required elements stay"
    assert "dosageInstruction" not in short
    assert "dosageInstruction" not in nurse.get("MedicationRequest?_summary=true").body["entry"][0]["resource"]


def test_a_summary_is_a_valid_resource_of_every_type(cast, token_of, patient, regimen) -> None:
    caller = token_of(cast["physician"])
    caller.get("Patient")
    for name in ("AuditEvent", "Patient", "MedicationRequest", "MedicationAdministration", "Provenance"):
        for query in ("_summary=true", "_summary=true&_elements=id", "_summary=data", "_elements=id"):
            assert caller.get(f"{name}?{query}").ids(), (name, query)  # the caller validates every answer


def test_includes_bring_what_the_person_may_see(nurse: Caller, regimen, patient) -> None:
    answer = nurse.get(
        "MedicationAdministration?_include=MedicationAdministration:request&_include=MedicationAdministration:patient"
    )
    assert sorted(answer.ids("include")) == [f"MedicationRequest/{regimen.pk}", f"Patient/{patient.pk}"]
    back = nurse.get("MedicationRequest?_revinclude=MedicationAdministration:request")
    assert len(back.ids("include")) == 1


def test_an_include_needs_its_own_scope(cast, token_of, regimen) -> None:
    caller = token_of(cast["nurse"], "user/MedicationAdministration.rs")
    answer = caller.get("MedicationAdministration?_include=MedicationAdministration:patient")
    assert len(answer.ids()) == 1
    assert answer.ids("include") == []
    assert caller.get("MedicationRequest").status == 403


def test_nothing_of_a_foreign_ward_is_found_by_any_parameter(
    nurse: Caller, cast, token_of, patient, foreign_patient
) -> None:
    make_regimen(foreign_patient)
    physician = token_of(cast["physician"])
    for caller in (nurse, physician):
        for resource_type in ("MedicationRequest", "MedicationAdministration", "MedicationStatement", "RiskAssessment"):
            for name in ("patient", "subject"):
                for value in (f"Patient/{foreign_patient.pk}", str(foreign_patient.pk)):
                    answer = caller.get(f"{resource_type}?{name}={value}&_include={resource_type}:{name}")
                    assert "entry" not in answer.body, (resource_type, name)
                    assert answer.body["total"] == 0
        assert caller.get(f"Patient?_id={foreign_patient.pk}&_revinclude=MedicationRequest:patient").body["total"] == 0
        assert caller.search("Patient", family="Somerville").body["total"] == 0
