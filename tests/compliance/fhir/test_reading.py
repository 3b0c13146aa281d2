"""Read, vread, history, versions, negotiation."""

from __future__ import annotations

import pytest
from django.utils import timezone

from tests.compliance.fhir.conftest import Caller, statement_of


def test_a_patient_is_read_with_version_and_etag(nurse: Caller, patient) -> None:
    answer = nurse.get(f"Patient/{patient.pk}")
    assert answer.status == 200
    assert answer.body["name"] == [{"use": "official", "family": "Byron", "given": ["Ada"]}]
    assert answer.headers["ETag"] == f'W/"{answer.body["meta"]["versionId"]}"'


def test_the_version_changes_when_the_content_does_and_only_then(nurse: Caller, patient) -> None:
    first = nurse.get(f"Patient/{patient.pk}").headers["ETag"]
    patient.bed = "4-2"  # not part of the resource
    patient.save()
    assert nurse.get(f"Patient/{patient.pk}", **{"If-None-Match": first}).status == 304
    patient.family_name = "Lovelace"
    patient.save()
    changed = nurse.get(f"Patient/{patient.pk}", **{"If-None-Match": first})
    assert changed.status == 200
    assert changed.headers["ETag"] != first


def test_absent_and_forbidden_get_the_same_answer(nurse: Caller, foreign_patient) -> None:
    absent = nurse.get("Patient/00000000-0000-4000-8000-000000000000")
    forbidden = nurse.get(f"Patient/{foreign_patient.pk}")
    assert (absent.status, absent.body) == (forbidden.status, forbidden.body) == (404, absent.body)


@pytest.mark.parametrize("key", ["x", "%00", "a" * 65, "..", "1%202", "9" * 19, "99999999999999999999", "٣"])
def test_an_id_that_is_none_is_not_found(nurse: Caller, key: str) -> None:
    for resource_type in ("Patient", "MedicationRequest"):
        assert nurse.get(f"{resource_type}/{key}").status == 404


def test_without_history_only_the_current_version_is_kept(nurse: Caller, patient) -> None:
    from compliance.models import Consent

    one = Consent.objects.create(
        patient=patient, purpose="research", given=True, how="paper", text_version="1", at=timezone.now()
    )
    version = nurse.get(f"Consent/{one.pk}").body["meta"]["versionId"]
    assert nurse.get(f"Consent/{one.pk}/_history/{version}").status == 200
    assert nurse.get(f"Consent/{one.pk}/_history/gone").status == 410
    assert nurse.get(f"Consent/{one.pk}/_history").status == 405


def test_a_statement_keeps_its_history_when_it_is_taken_back(nurse: Caller, regimen) -> None:
    made = nurse.post("MedicationStatement", statement_of(regimen))
    assert made.status == 201, made.body
    place = f"MedicationStatement/{made.body['id']}"
    assert made.headers["Location"].endswith(f"{place}/_history/{made.body['meta']['versionId']}")
    wrong = nurse.put(place, made.body | {"status": "entered-in-error"}, **{"If-Match": 'W/"x"'})
    assert wrong.status == 412
    back = nurse.put(place, made.body | {"status": "entered-in-error"}, **{"If-Match": made.headers["ETag"]})
    assert back.status == 200, back.body
    history = nurse.get(f"{place}/_history").body
    assert [entry["resource"]["status"] for entry in history["entry"]] == ["entered-in-error", "completed"]
    old = nurse.get(f"{place}/_history/{made.body['meta']['versionId']}")
    assert old.body == made.body
    assert nurse.get(f"{place}/_history/none").status == 404


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/fhir+json", 200),
        ("application/json", 200),
        ("*/*", 200),
        ("application/fhir+xml", 406),
        ("text/html", 406),
        ("application/fhir+xml, application/fhir+json;q=0.5", 200),
        ("application/fhir+json;q=0", 406),
        ("application/fhir+json; fhirVersion=4.0", 200),
        ("application/fhir+json; fhirVersion=5.0", 406),
    ],
)
def test_only_json_is_spoken(nurse: Caller, patient, accept: str, status: int) -> None:
    assert nurse.get(f"Patient/{patient.pk}", Accept=accept).status == status


def test_xml_by_parameter_is_refused(nurse: Caller) -> None:
    assert nurse.get("Patient?_format=xml").status == 406
    assert nurse.get("Patient?_format=json").status == 200


@pytest.mark.parametrize(("method", "path"), [("DELETE", "Patient/1"), ("PATCH", "Patient/1"), ("PUT", "Patient")])
def test_other_methods_are_not_offered(nurse: Caller, method: str, path: str) -> None:
    answer = nurse(method, path, {})
    assert answer.status == 405
    assert "GET" in answer.headers["Allow"]


def test_options_and_head_are_sane(nurse: Caller, patient) -> None:
    assert nurse("OPTIONS", f"Patient/{patient.pk}").headers["Allow"] == "GET, PUT, DELETE, HEAD, OPTIONS"
    head = nurse("HEAD", f"Patient/{patient.pk}")
    assert (head.status, head.body) == (200, {})
    assert head.headers["ETag"]


def test_unknown_types_and_paths_are_not_found(nurse: Caller) -> None:
    for path in ("Nothing", "Nothing/1", "Patient/1/2", "metadata/x", "Practitioner"):
        assert nurse.get(path).status == 404, path


def test_reading_is_noted_once_and_shows_as_an_audit_event(nurse: Caller, cast, token_of, patient) -> None:
    for _ in range(3):
        nurse.get(f"Patient/{patient.pk}")
    seen = token_of(cast["administrator"]).get(f"AuditEvent?patient=Patient/{patient.pk}&subtype=record_viewed")
    assert [row["resource"]["agent"][0]["who"]["identifier"]["value"] for row in seen.body["entry"]] == [
        str(cast["nurse"].pk)
    ]
    assert "Byron" not in str(seen.body)


def test_events_of_care_are_told_only_to_those_who_may_see_medication(cast, patient, token_of) -> None:
    from compliance.models import EventCategory
    from compliance.services.events import record_event

    for category, code in ((EventCategory.CLINICAL, "dose_given"), (EventCategory.SECURITY, "frame_forged")):
        record_event(category=category, code=code, message="Something.", patient=patient)
    for role, told in (("physician", {"dose_given", "frame_forged"}), ("administrator", {"frame_forged"})):
        found = token_of(cast[role]).get(f"AuditEvent?patient=Patient/{patient.pk}&subtype=dose_given,frame_forged")
        codes = {one["resource"]["subtype"][0]["code"] for one in found.body["entry"]}
        assert codes == told, role
