"""A de-identified export from the page to the file: who is in it, who is not, and that nobody can be told."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient
from django.utils import timezone

from compliance.fhir.bulk import work
from compliance.models import AccessRecord, BulkExport, Consent, Event, ExportState, Patient
from compliance.services import exports
from compliance.services.subjects import destroy_subject_key
from devices.kinds.registry import by_key
from devices.models import ExternalObservation
from tests.compliance.fhir.conftest import make_regimen
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db
START = "/exports/research/"


def _allow(patient: Patient, given: bool = True) -> None:
    Consent.objects.create(
        patient=patient, purpose="research", given=given, how="self", text_version="1", at=timezone.now()
    )


@pytest.fixture
def people(ward, settings, tmp_path) -> list[Patient]:
    """Nine people who allow research: four alike, four alike, and one of 95 who stands alone; one who was not asked."""
    settings.EXPORTS_DIR = tmp_path
    found = []
    for number in range(10):
        year = {8: 1930}.get(number, 1961 if number < 4 or number == 9 else 1985)
        found.append(
            Patient.objects.create(
                medical_record_number=f"MRN-{number}-xyzzy",
                given_name=f"Zebulon{number}",
                family_name=f"Quixote{number}",
                birth_date=date(year, 5, 17),
                sex="female",
                ward=ward,
                bed=f"bed-plugh-{number}",
                conditions="lives in Frobozz",
            )
        )
        if number < 9:
            _allow(found[-1])
        now = timezone.now()
        for minutes in (0, 7, 95):
            ExternalObservation.objects.create(
                patient=found[-1], metric=by_key("glucose").key, value=101.25 + minutes,
                at=now - timezone.timedelta(minutes=minutes), received_at=now,
            )  # fmt: skip
        make_regimen(found[-1])
    return found


def _run() -> BulkExport:
    for export in exports.due():
        work.run_export(export.pk)
    return BulkExport.objects.get()


def _files(user, export: BulkExport, status: int = 200) -> dict[str, bytes]:
    async def fetch(url: str) -> tuple[int, bytes]:
        client = AsyncClient(raise_request_exception=False)
        await client.aforce_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        answer = await client.get(url)
        parts = answer.content if not answer.streaming else b"".join([part async for part in answer.streaming_content])
        return answer.status_code, parts

    found = {}
    for file in export.files.all():
        code, content = async_to_sync(fetch)(f"/fhir/$export-status/{export.pk}/{file.pk}.ndjson")
        assert code == status, content
        found[file.type] = content
    return found


def test_consenting_people_leave_without_who_they_are(fresh_client, cast, people, patient):
    client = fresh_client(cast["physician"])
    assert client.post(START, {"k": "4"}).status_code == 302
    export = _run()
    assert (export.state, export.error) == (ExportState.DONE, "")
    files = _files(cast["physician"], export)
    assert {"Patient", "Observation", "MedicationRequest", "Report"} <= set(files)
    everything = b"\n".join(files.values())
    for one in people:
        for word in (
            str(one.pk),
            one.medical_record_number,
            one.given_name,
            one.family_name,
            one.bed,
            "1961-05",
        ):
            assert word.encode() not in everything, word
    for word in ("xyzzy", "Zebulon", "Quixote", "plugh", "Frobozz", people[0].ward.name, "Byron"):
        assert word.encode() not in everything, word
    persons = [json.loads(line) for line in files["Patient"].splitlines()]
    groups = Counter((one["extension"][0]["valueCode"], one["gender"]) for one in persons)
    assert sorted(groups.values()) == [4, 4]
    report = json.loads(files["Report"])
    asked, exported = report["people_in_reach"], report["people_exported"]
    assert (asked, report["left_out_without_consent_to_research"]) == (11, 2)  # not asked, and the cast's own patient
    assert (exported, report["left_out_in_groups_below_k"], report["smallest_group"]) == (8, 1, 4)
    page = client.get("/exports/").content.decode()
    assert "8 of 11 people" in page


def test_intervals_stay_and_nobody_keeps_their_dates(fresh_client, cast, people):
    fresh_client(cast["physician"]).post(START, {"k": "4"})
    rows = [json.loads(line) for line in _files(cast["physician"], _run())["Observation"].splitlines()]
    by_person: dict[str, list] = {}
    for row in rows:
        moment = timezone.datetime.fromisoformat(row["effectiveDateTime"])
        by_person.setdefault(row["subject"]["reference"], []).append(moment)
    assert len(by_person) == 8
    now = timezone.now()
    for moments in by_person.values():
        first, second, third = sorted(moments)
        assert [round((third - second).total_seconds() / 60), round((second - first).total_seconds() / 60)] == [7, 88]
        assert abs((third - now).total_seconds()) > 12 * 3600
    assert len({moments[0] for moments in by_person.values()}) > 1


def test_two_exports_share_no_pseudonym(fresh_client, cast, people):
    client = fresh_client(cast["physician"])
    seen = []
    for _ in range(2):
        client.post(START, {"k": "4"})
        export = _run()
        seen.append({json.loads(line)["id"] for line in _files(cast["physician"], export)["Patient"].splitlines()})
        exports.remove_export(export)
    assert len(seen[0]) == 8
    assert not seen[0] & seen[1]


@pytest.mark.parametrize("how", ["refuses", "erased"])
def test_whoever_withdraws_takes_the_files_along(fresh_client, cast, people, how):
    fresh_client(cast["physician"]).post(START, {"k": "4"})
    export = _run()
    if how == "refuses":
        _allow(people[0], given=False)
    else:
        destroy_subject_key(people[0])
    _files(cast["physician"], export, status=410)


def test_it_is_noted_for_those_who_are_in_it_and_for_nobody_else(fresh_client, cast, people):
    fresh_client(cast["physician"]).post(START, {"k": "4"})
    export = _run()
    noted = set(AccessRecord.objects.filter(what="research_export").values_list("patient_id", flat=True))
    assert noted == {one.pk for one in people[:8]}
    assert set(Event.objects.filter(detail__export=str(export.pk)).values_list("code", flat=True)) == {
        "export_started",
        "export_finished",
    }


def test_only_with_the_right_and_a_fresh_second_factor(client, cast, people):
    for role, status in (("nurse", 403), ("caregiver", 403), ("trainer", 403), ("patient", 403)):
        sign_in(client, cast[role], fresh=True)
        assert client.post(START, {"k": "4"}).status_code == status, role
    sign_in(client, cast["administrator"])
    assert "step-up" in client.post(START, {"k": "4"})["Location"]
    assert not BulkExport.objects.exists()


@pytest.mark.parametrize("k", ["", "1", "51", "-3", "four", "9" * 30])
def test_a_group_that_hides_nobody_is_refused(fresh_client, cast, people, k):
    answer = fresh_client(cast["physician"]).post(START, {"k": k})
    assert answer.status_code == 400
    assert "from 2 to 50" in answer.content.decode()
    assert not BulkExport.objects.exists()


def test_another_ward_is_not_there(fresh_client, cast, people, other_ward):
    answer = fresh_client(cast["physician"]).post(START, {"k": "4", "ward": other_ward.pk})
    assert answer.status_code == 404
    assert not BulkExport.objects.exists()
