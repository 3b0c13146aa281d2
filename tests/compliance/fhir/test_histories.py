"""Versions: a correction makes one, a history shows those that one may see, page by page and at other times."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest
from django.utils import timezone

from compliance.models import AccessRecord, Regimen
from compliance.models.corrections import Correction
from compliance.policy import Role
from compliance.privacy.corrections import CorrectionPart
from compliance.privacy.purposes import How
from compliance.services.corrections import accept_correction, ask_correction
from compliance.services.fhir_clients import register_client
from tests.compliance.fhir.conftest import Answered, Caller, make_regimen, statement_of
from tests.compliance.fhir.services import jwks
from tests.conftest import _patient


def correct(cast, patient, part: str, right: str) -> Correction:
    """Let a patient ask and the administrator accept."""
    correction = ask_correction(
        patient=patient, part=CorrectionPart(part), stands="x", right=right, user=cast["nurse"], how=How.PAPER,
        now=timezone.now(),
    )  # fmt: skip
    accept_correction(request=correction.request, by=cast["administrator"], answer="", now=timezone.now())
    correction.refresh_from_db()
    return correction


def families(answer: Answered) -> list[str]:
    """Return the family names of a history of patients, newest first."""
    assert answer.status == 200, answer.body
    return [row["resource"]["name"][0]["family"] for row in answer.body.get("entry", [])]


def stamps(answer: Answered) -> list[str]:
    return [row["response"]["lastModified"] for row in answer.body.get("entry", [])]


def walk(caller: Caller, path: str) -> list[dict]:
    """Return the rows of every page."""
    page = caller.get(path)
    rows = list(page.body.get("entry", []))
    while page.link("next"):
        page = caller.get(page.link("next"))
        assert page.status == 200, page.body
        rows += page.body.get("entry", [])
    return rows


def moment(at) -> str:
    return quote(at.isoformat())


def test_a_correction_makes_a_new_version_and_keeps_the_former(nurse: Caller, cast, patient) -> None:
    place = f"Patient/{patient.pk}"
    first = nurse.get(place)
    correct(cast, patient, "family_name", "Lovelace")
    second = nurse.get(place)
    assert second.headers["ETag"] != first.headers["ETag"]
    assert second.body["meta"]["lastUpdated"] > first.body["meta"]["lastUpdated"]
    assert nurse.get(place, **{"If-None-Match": first.headers["ETag"]}).status == 200
    assert nurse.get(place, **{"If-None-Match": second.headers["ETag"]}).status == 304
    history = nurse.get(f"{place}/_history")
    assert families(history) == ["Lovelace", "Byron"]
    assert [row["request"]["method"] for row in history.body["entry"]] == ["PUT", "POST"]
    for version in (first, second):
        tag = version.body["meta"]["versionId"]
        assert nurse.get(f"{place}/_history/{tag}").body == version.body
    assert nurse.get(f"{place}/_history/none").status == 404


def test_a_correction_back_is_a_version_of_its_own(nurse: Caller, cast, patient) -> None:
    for name in ("Lovelace", "Byron"):
        correct(cast, patient, "family_name", name)
    history = nurse.get(f"Patient/{patient.pk}/_history")
    assert families(history) == ["Byron", "Lovelace", "Byron"]
    assert len({row["response"]["etag"] for row in history.body["entry"]}) == 3


@pytest.mark.parametrize(("part", "right"), [("weight_kg", "71.5"), ("bed", "4-2"), ("conditions", "asthma")])
def test_a_correction_of_what_the_resource_does_not_show_is_a_version_too(
    nurse: Caller, cast, patient, part, right
) -> None:
    first = nurse.get(f"Patient/{patient.pk}").headers["ETag"]
    correct(cast, patient, part, right)
    assert nurse.get(f"Patient/{patient.pk}").headers["ETag"] != first
    assert families(nurse.get(f"Patient/{patient.pk}/_history")) == ["Byron", "Byron"]


@pytest.mark.parametrize("part", ["value", "image", "medication"])
def test_what_changes_nothing_makes_no_version(nurse: Caller, cast, patient, part) -> None:
    first = nurse.get(f"Patient/{patient.pk}").headers["ETag"]
    correct(cast, patient, part, "something else")
    assert nurse.get(f"Patient/{patient.pk}").headers["ETag"] == first
    assert families(nurse.get(f"Patient/{patient.pk}/_history")) == ["Byron"]


def test_former_values_are_shown_to_those_who_see_to_decisions_and_to_the_patient_alone(
    cast, token_of, patient
) -> None:
    first = token_of(cast["caregiver"]).get(f"Patient/{patient.pk}").body["meta"]["versionId"]
    correct(cast, patient, "family_name", "Lovelace")
    caregiver, place = token_of(cast["caregiver"]), f"Patient/{patient.pk}"
    assert families(caregiver.get(f"{place}/_history")) == ["Lovelace"]
    assert caregiver.get(f"{place}/_history").body["total"] == 1
    assert families(caregiver.get("Patient/_history")) == ["Lovelace"]
    assert caregiver.get("Patient/_history").body["total"] == 1
    hidden, absent = (caregiver.get(f"{place}/_history/{tag}") for tag in (first, "f" * 24))
    assert (hidden.status, hidden.body) == (404, absent.body)
    for at in (f"_at={moment(timezone.now() - timedelta(days=1))}", f"_since={moment(timezone.now())}"):
        assert families(caregiver.get(f"{place}/_history?{at}")) == []


def test_a_history_of_the_type_shows_only_whom_one_may_see(cast, token_of, patient, foreign_patient) -> None:
    correct(cast, patient, "family_name", "Lovelace")
    Correction.objects.update(patient=foreign_patient)  # the other ward's record was corrected, not this one's
    foreign_patient.edition = 2
    foreign_patient.save()
    found = token_of(cast["nurse"]).get("Patient/_history")
    assert [row["fullUrl"].rpartition("/")[2] for row in found.body["entry"]] == [str(patient.pk)]
    assert (found.body["total"], families(found)) == (1, ["Lovelace"])
    assert token_of(cast["outsider"]).get("Patient/_history").status == 403
    assert token_of(cast["nurse"], "user/Patient.r").get("Patient/_history").status == 403
    assert token_of(cast["nurse"], "patient/*.rs", patient).get("Patient/_history").body["total"] == 1


def test_a_token_for_one_patient_sees_no_history_of_another(cast, token_of, ward, patient) -> None:
    other = _patient(ward, "T-002", "Grace", "Hopper")
    correct(cast, other, "family_name", "Murray")
    caller = token_of(cast["nurse"], "patient/*.rs", patient)
    assert families(caller.get("Patient/_history")) == ["Byron"]
    assert caller.get(f"Patient/{other.pk}/_history").status == 404


def test_pages_of_a_history_give_each_version_once_newest_first(nurse: Caller, cast, patient, ward) -> None:
    other = _patient(ward, "T-002", "Grace", "Hopper")
    for one, name in ((patient, "A"), (other, "B"), (patient, "C"), (other, "D"), (patient, "E")):
        correct(cast, one, "family_name", name)
    whole = nurse.get("Patient/_history")
    assert families(whole) == ["E", "D", "C", "B", "A", "Hopper", "Byron"]
    assert whole.body["total"] == 7
    assert stamps(whole) == sorted(stamps(whole), reverse=True)
    for count in (1, 2, 3):
        rows = walk(nurse, f"Patient/_history?_count={count}")
        assert [row["resource"] for row in rows] == [row["resource"] for row in whole.body["entry"]]
    assert len(walk(nurse, f"Patient/{patient.pk}/_history?_count=2")) == 4


def test_since_and_at_choose_versions(nurse: Caller, cast, patient) -> None:
    before = timezone.now()
    correct(cast, patient, "family_name", "A")
    between = timezone.now()
    correct(cast, patient, "family_name", "B")
    for place in ("Patient/_history", f"Patient/{patient.pk}/_history"):
        assert families(nurse.get(f"{place}?_since={moment(between)}")) == ["B"]
        assert families(nurse.get(f"{place}?_since={moment(before)}")) == ["B", "A"]
        assert families(nurse.get(f"{place}?_since={moment(timezone.now())}")) == []
        assert families(nurse.get(f"{place}?_at={moment(between)}")) == ["A"]
        assert families(nurse.get(f"{place}?_at={moment(before)}")) == ["Byron"]
        assert families(nurse.get(f"{place}?_at={timezone.now().year}")) == ["B", "A", "Byron"]
        assert families(nurse.get(f"{place}?_at=1999")) == []


@pytest.mark.parametrize(
    "query",
    [
        "_since=yesterday", "_since=ge2026-01-01", "_since=eq2026-01-01", "_since=", "_since=%00", "_since=9999999",
        "_since=2026-01-01' OR 1=1 --", "_since=2026-02-30", "_since=2026-01-01&_since=2026-01-02", "_at=x",
        "_at=lt2026", "_count=-1", "_count=x", "_count=1e9", "_count=99999999999999999999", "_page=x", "family=Byron",
        "_sort=_id", "_page=" + "A" * 9000, "_since=%F0%9D%9F%99",
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["Patient/_history", "Observation/_history", "Provenance/_history"])
def test_a_question_that_makes_no_sense_is_refused(nurse: Caller, patient, place, query) -> None:
    assert nurse.get(f"{place}?{query}").status == 400


def test_a_huge_count_is_cut_and_none_tells_the_number_alone(nurse: Caller, cast, patient, monkeypatch) -> None:
    monkeypatch.setattr("compliance.fhir.query.MOST", 2)
    for name in ("A", "B"):
        correct(cast, patient, "family_name", name)
    page = nurse.get("Patient/_history?_count=999999999")
    assert (len(page.body["entry"]), page.body["total"]) == (2, 3)
    for place in ("Patient/_history", f"Patient/{patient.pk}/_history"):
        none = nurse.get(f"{place}?_count=0")
        assert (none.body["total"], none.body.get("entry"), none.link("next")) == (3, None, None)


def test_a_page_link_opens_for_its_owner_and_its_own_history_alone(cast, token_of, patient) -> None:
    nurse = token_of(cast["nurse"])
    correct(cast, patient, "family_name", "A")
    link = nurse.get("Patient/_history?_count=1").link("next")
    assert nurse.get(link).status == 200
    assert token_of(cast["physician"]).get(link).status == 400
    sealed = link.rpartition("=")[2]
    for elsewhere in ("Patient", f"Patient/{patient.pk}/_history", "Provenance/_history"):
        assert nurse.get(f"{elsewhere}?_page={sealed}").status == 400
    assert nurse.get(f"{link}&_count=2").status == 400


def test_what_was_left_of_a_right_decides_each_page(cast, token_of, patient) -> None:
    from compliance.models import CareRelationship

    nurse = token_of(cast["nurse"])
    correct(cast, patient, "family_name", "A")
    link = nurse.get("Patient/_history?_count=1").link("next")
    CareRelationship.objects.filter(user=cast["nurse"]).delete()
    assert nurse.get(link).status == 403


def test_who_refuses_sharing_outside_is_in_no_history_that_leaves_the_house(cast, token_of, patient) -> None:
    from compliance.models import ApiToken, Consent

    caller = token_of(cast["nurse"])
    assert caller.get("Patient/_history").body["total"] == 1
    outside = register_client(
        name="Registry", jwks=jwks(), scopes="system/*.rs", ward=patient.ward, role=Role.NURSE,
        by=cast["administrator"], now=timezone.now(), shares_outside=True,
    )  # fmt: skip
    ApiToken.objects.update(client=outside)
    Consent.objects.create(
        patient=patient, purpose="share_external", given=False, how="form", text_version="1", at=timezone.now()
    )
    assert caller.get("Patient/_history").body["total"] == 0


def test_a_history_is_noted_as_a_look_at_each_record(nurse: Caller, cast, patient) -> None:
    nurse.get("Patient/_history?_count=0")
    assert not AccessRecord.objects.filter(patient=patient).exists()
    nurse.get("Patient/_history")
    assert AccessRecord.objects.get(patient=patient).what == "fhir_Patient"


def test_a_regimen_has_a_second_version_when_it_ends(nurse: Caller, patient) -> None:
    stopped, over, going = (make_regimen(patient) for _ in range(3))
    now = timezone.now()
    Regimen.objects.filter(pk=stopped.pk).update(stopped_at=now, recorded_at=now - timedelta(days=9))
    Regimen.objects.filter(pk=over.pk).update(
        starts_on=now.date() - timedelta(days=9), ends_on=now.date() - timedelta(days=2),
        recorded_at=now - timedelta(days=8),
    )  # fmt: skip

    def told(path: str) -> list[tuple[str, str]]:
        rows = nurse.get(path).body["entry"]
        return [(row["resource"]["id"], row["resource"]["status"]) for row in rows]

    assert told(f"MedicationRequest/{stopped.pk}/_history") == [(str(stopped.pk), s) for s in ("stopped", "active")]
    assert told(f"MedicationRequest/{over.pk}/_history") == [(str(over.pk), s) for s in ("completed", "active")]
    assert told(f"MedicationRequest/{going.pk}/_history") == [(str(going.pk), "active")]
    expected = [(going, "active"), (stopped, "stopped"), (over, "completed"), (over, "active"), (stopped, "active")]
    found = told("MedicationRequest/_history")
    assert sorted(found[:2]) == sorted((str(one.pk), status) for one, status in expected[:2])
    assert found[2:] == [(str(one.pk), status) for one, status in expected[2:]]
    a_week_ago = moment(now - timedelta(days=7))
    assert {status for _, status in told(f"MedicationRequest/_history?_at={a_week_ago}")} == {"active"}
    assert nurse.get(f"MedicationRequest?_lastUpdated=ge{moment(now - timedelta(days=1))}").body["total"] == 2


def test_a_statement_that_was_taken_back_stands_twice_in_the_history_of_its_type(nurse: Caller, regimen) -> None:
    made = nurse.post("MedicationStatement", statement_of(regimen))
    place = f"MedicationStatement/{made.body['id']}"
    nurse.put(place, made.body | {"status": "entered-in-error"})
    rows = nurse.get("MedicationStatement/_history").body["entry"]
    assert [row["resource"]["status"] for row in rows] == ["entered-in-error", "completed"]
    assert rows[1]["resource"] == made.body


@pytest.mark.parametrize("name", ["Consent", "Device", "DeviceMetric", "DetectedIssue", "ImagingStudy", "Subscription"])
def test_a_type_without_history_says_so(nurse: Caller, name) -> None:
    assert nurse.get(f"{name}/_history").status == 405


def test_a_batch_asks_for_histories_as_it_asks_for_the_rest(nurse: Caller, cast, patient) -> None:
    correct(cast, patient, "family_name", "A")
    urls = [
        "Patient/_history?_count=1",
        f"Patient/{patient.pk}/_history",
        "Patient/_history/x",
        "Patient/_history?_x=1",
    ]
    urls.append("Patient/_history?" + "&".join(["_count=1"] * 101))
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    done = nurse.post("", {"resourceType": "Bundle", "type": "batch", "entry": entries})
    assert [one["response"]["status"] for one in done.body["entry"]] == ["200", "200", "400", "400", "400"]
    assert [len(one["resource"]["entry"]) for one in done.body["entry"][:2]] == [1, 2]
    made = {"request": {"method": "POST", "url": "Patient/_history"}, "resource": {"resourceType": "Patient"}}
    refused = nurse.post("", {"resourceType": "Bundle", "type": "batch", "entry": [made]})
    assert refused.body["entry"][0]["response"]["status"] == "400"
