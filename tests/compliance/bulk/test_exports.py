"""Bulk data from kick-off to removal, through the API as a client would use it."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.test import AsyncClient, RequestFactory
from django.utils import timezone

from compliance.fhir.authentication import still_authenticated
from compliance.fhir.bulk import download, work
from compliance.fhir.errors import FhirError
from compliance.models import AccessRecord, ApiToken, BrowserSession, BulkExport, CareRelationship, Event, Patient
from compliance.services import exports
from tests.compliance.fhir.conftest import Caller, make_regimen, token_of  # noqa: F401
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db
ASYNC = {"Prefer": "respond-async"}


@pytest.fixture
def client_of(cast, token_of):  # noqa: F811
    """Return a maker of callers with system scopes: `client_of("physician", "system/*.rs")`."""
    return lambda role="physician", scopes="system/*.rs": token_of(cast[role], scopes)


def begin(caller: Caller, path: str = "$export") -> str:
    answer = caller.get(path, **ASYNC)
    assert answer.status == 202, answer.body
    return answer.headers["Content-Location"]


def finish() -> None:
    for export in exports.due():
        work.run_export(export.pk)


def lines(caller: Caller, url: str, status: int = 200) -> list[dict]:
    async def fetch() -> tuple[int, bytes]:
        answer = await AsyncClient(raise_request_exception=False).get(url, headers=caller.headers)
        content = (
            answer.content if not answer.streaming else b"".join([part async for part in answer.streaming_content])
        )
        return answer.status_code, content

    code, content = async_to_sync(fetch)()
    assert code == status, content
    return [json.loads(line) for line in content.splitlines()] if status == 200 else []


def manifest_of(caller: Caller, place: str) -> dict:
    answer = caller.client.get(place, headers=caller.headers)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    return answer.json()


def everything(caller: Caller, place: str) -> dict[str, list[dict]]:
    return {one["type"]: lines(caller, one["url"]) for one in manifest_of(caller, place)["output"]}


def test_client_exports_what_its_account_may_see(client_of, patient, foreign_patient) -> None:
    make_regimen(patient)
    make_regimen(foreign_patient)
    caller = client_of()
    place = begin(caller)
    waiting = caller.get(place)
    assert (waiting.status, waiting.headers["Retry-After"], waiting.headers["X-Progress"]) == (202, "5", "waiting")
    finish()
    manifest = manifest_of(caller, place)
    assert manifest["requiresAccessToken"] is True
    assert manifest["transactionTime"] <= timezone.now().isoformat()
    found = everything(caller, place)
    assert [one["id"] for one in found["Patient"]] == [str(patient.pk)]
    assert {one["count"] for one in manifest["output"] if one["type"] == "Patient"} == {1}
    assert "MedicationRequest" in found
    assert "Somerville" not in json.dumps(found)


def test_type_since_and_group_narrow_an_export(client_of, patient, ward, other_ward, cast) -> None:
    make_regimen(patient)
    caller = client_of()
    begin(caller, "$export?_type=Patient")
    begin(caller, f"Group/{ward.pk}/$export?_type=Patient,MedicationRequest")
    later = (timezone.now() + timedelta(days=1)).isoformat().replace("+", "%2B")
    begin(caller, f"Patient/$export?_type=MedicationRequest&_since={later}")
    finish()
    written = {export.level: {file.type for file in export.files.all()} for export in BulkExport.objects.all()}
    assert written["system"] == {"Patient"}
    assert written["group"] == {"Patient", "MedicationRequest"}
    assert caller.get(f"Group/{other_ward.pk}/$export", **ASYNC).status == 404
    assert caller.get("Group/99999/$export", **ASYNC).status == 404


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("_typeFilter=Patient%3Fgender%3Dfemale", 400),
        ("_outputFormat=text/csv", 400),
        ("_type=Nonsense", 404),
        ("_type=,", 400),
        ("_since=yesterday", 400),
        ("_since=2026-01-01", 400),
        ("includeAssociatedData=x", 400),
    ],
)
def test_what_is_not_supported_is_refused(query: str, status: int, client_of) -> None:
    answer = client_of().get(f"$export?{query}", **ASYNC)
    assert (answer.status, answer.body["resourceType"]) == (status, "OperationOutcome")
    assert not BulkExport.objects.exists()


def test_kick_off_without_prefer_is_refused(client_of) -> None:
    assert client_of().get("$export").status == 400


def test_scopes_and_rights_decide(client_of) -> None:
    assert client_of(scopes="user/*.rs").get("$export", **ASYNC).status == 403
    assert client_of(scopes="system/Patient.r").get("$export", **ASYNC).status == 403
    assert client_of(scopes="system/Patient.rs").get("$export?_type=MedicationRequest", **ASYNC).status == 403
    assert client_of("nurse").get("$export", **ASYNC).status == 403
    assert Caller().get("$export", **ASYNC).status == 401
    assert not BulkExport.objects.exists()


def test_each_patient_of_an_export_is_on_record(client_of, patient, foreign_patient) -> None:
    begin(client_of(), "$export?_type=Patient")
    finish()
    assert list(AccessRecord.objects.filter(what="bulk_export").values_list("patient", flat=True)) == [patient.pk]
    assert {"export_started", "export_finished"} <= set(Event.objects.values_list("code", flat=True))


def test_right_that_ends_holds_back_what_was_written_already(client_of, cast, patient, ward) -> None:
    second = Patient.objects.create(
        medical_record_number="T-2", given_name="G", family_name="Hopper", birth_date="1970-01-01", ward=ward
    )
    caller = client_of()
    place = begin(caller, "$export?_type=Patient")
    finish()
    [file] = manifest_of(caller, place)["output"]
    assert len(lines(caller, file["url"])) == 2
    relation = CareRelationship.objects.filter(user=cast["physician"])
    CareRelationship.objects.create(user=cast["physician"], patient=second, starts_at=timezone.now() - timedelta(1))
    Patient.objects.filter(pk=patient.pk).update(ward=_new_ward())
    assert [one["id"] for one in lines(caller, file["url"])] == [str(second.pk)]
    relation.update(ends_at=timezone.now())
    lines(caller, file["url"], status=403)


def _new_ward():  # type: ignore[no-untyped-def]
    from compliance.models import Ward

    return Ward.objects.create(name="Elsewhere")


def test_right_that_ends_before_the_work_writes_nothing(client_of, cast, patient) -> None:
    caller = client_of()
    begin(caller)
    ApiToken.objects.update(revoked_at=timezone.now())
    finish()
    export = BulkExport.objects.get()
    assert (export.state, export.files.count()) == ("failed", 0)


def test_nobody_sees_an_export_of_somebody_else(client_of, patient) -> None:
    place = begin(client_of(), "$export?_type=Patient")
    finish()
    [file] = manifest_of(client_of(), place)["output"]
    stranger = client_of("administrator")
    assert stranger.get(place).status == 404
    lines(stranger, file["url"], status=404)
    assert stranger("DELETE", place).status == 404
    assert Caller().get(place).status == 401


def test_cancelled_export_leaves_nothing(client_of, patient) -> None:
    caller = client_of()
    place = begin(caller, "$export?_type=Patient")
    finish()
    folder = exports.folder_of(BulkExport.objects.get().pk)
    assert list(folder.iterdir())
    assert caller("DELETE", place).status == 202
    assert not folder.exists()
    assert caller.get(place).status == 404


def test_worker_of_a_cancelled_export_stops(client_of, patient, monkeypatch) -> None:
    caller = client_of()
    begin(caller, "$export?_type=Patient")
    export = BulkExport.objects.get()
    lease = exports.take(export.pk)
    exports.remove_export(export)
    with pytest.raises(exports.ExportLeaseLost):
        lease.finish(*work._write_all(lease))
    exports.resume(now=timezone.now())
    assert not exports.folder_of(export.pk).exists()


def test_killed_worker_is_replaced_and_its_files_are_not_doubled(client_of, patient) -> None:
    caller = client_of()
    place = begin(caller, "$export?_type=Patient")
    killed = exports.take(BulkExport.objects.get().pk)
    work._write_all(killed)  # and then kill -9
    assert exports.take(killed.export.pk) is None
    BulkExport.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    finish()
    assert len(everything(caller, place)["Patient"]) == 1
    with pytest.raises(exports.ExportLeaseLost):
        killed.finish([], set())


def test_export_that_kills_its_workers_is_given_up(client_of, patient) -> None:
    caller = client_of()
    begin(caller)
    for _ in range(exports.MAX_ATTEMPTS + 1):
        exports.take(BulkExport.objects.get().pk)
        BulkExport.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert BulkExport.objects.get().state == "failed"
    assert BulkExport.objects.get().error.startswith("It was tried several times")


def test_large_types_are_cut_into_files(client_of, patient, ward, monkeypatch) -> None:
    monkeypatch.setattr(work, "LINES_PER_FILE", 2)
    for number in range(4):
        Patient.objects.create(
            medical_record_number=f"N-{number}", given_name="N", family_name="N", birth_date="1970-01-01", ward=ward
        )
    caller = client_of()
    place = begin(caller, "$export?_type=Patient")
    finish()
    files = manifest_of(caller, place)["output"]
    assert [file["count"] for file in files] == [2, 2, 1]
    assert len({one["id"] for file in files for one in lines(caller, file["url"])}) == 5


def test_export_expires(client_of, patient) -> None:
    caller = client_of()
    place = begin(caller, "$export?_type=Patient")
    finish()
    exports.resume(now=timezone.now() + timedelta(hours=25))
    assert caller.get(place).status == 404
    assert Event.objects.filter(code="export_expired").exists()


def test_nobody_fills_the_queue(client_of) -> None:
    caller = client_of()
    for _ in range(exports.MOST_UNFINISHED):
        begin(caller)
    assert caller.get("$export", **ASYNC).status == 429


def test_files_on_disk_are_sealed(client_of, patient) -> None:
    begin(client_of(), "$export?_type=Patient")
    finish()
    for path in exports.folder_of(BulkExport.objects.get().pk).iterdir():
        assert b"Byron" not in path.read_bytes()
    assert str(django_settings.HOME) in str(exports.folder_of(UUID(int=0)))


def test_person_needs_a_fresh_second_factor(client, cast, patient) -> None:
    sign_in(client, cast["physician"])
    assert client.get("/fhir/$export", headers=ASYNC).status_code == 403
    assert "step-up" in client.post("/exports/start/")["Location"]
    sign_in(client, cast["physician"], fresh=True)
    assert client.get("/fhir/$export", headers=ASYNC).status_code == 202


def test_person_exports_from_the_page(fresh_client, cast, patient, ward) -> None:
    client = fresh_client(cast["physician"])
    client.post("/exports/start/", {"ward": ward.pk, "type": ["Patient"]})
    finish()
    page = client.get("/exports/").content.decode()
    assert "Ward 4" in page
    assert ".ndjson" in page
    export = BulkExport.objects.get()
    client.post(f"/exports/{export.pk}/remove/")
    assert not BulkExport.objects.exists()
    assert client.post("/exports/start/", {"ward": "1e9"}).status_code == 404


@pytest.mark.parametrize("ends", ["token", "client_role", "link", "export"])
def test_a_right_that_ends_breaks_off_a_download_that_runs(ends, client_of, cast, patient, ward, monkeypatch) -> None:
    from tests.conftest import _patient

    for number in range(3):
        _patient(ward, f"T-{number + 10}", "Ada", f"Byron {number}")
    monkeypatch.setattr(download, "BLOCK", 1)
    monkeypatch.setattr(download, "ASK_EVERY_S", 0.0)
    caller = client_of()
    place = begin(caller, "$export?_type=Patient")
    finish()
    export, file = BulkExport.objects.get(), BulkExport.objects.get().files.get()
    access = work.access_of(export)
    request = RequestFactory().get("/")
    blocks = download.open_file(access, file, lambda: still_authenticated(request, access))
    assert b"Byron" in next(blocks)
    if ends == "token":
        ApiToken.objects.update(revoked_at=timezone.now())
    elif ends == "client_role":
        type(cast["physician"]).objects.filter(pk=cast["physician"].pk).update(is_active=False)
    elif ends == "link":
        CareRelationship.objects.filter(user=cast["physician"]).delete()
    else:
        exports.remove_export(export)
    with pytest.raises(FhirError):
        next(blocks)
    assert caller.get(place).status in {401, 403, 404}


def test_a_sign_in_that_ends_breaks_off_a_download_too(fresh_client, cast, patient) -> None:
    client = fresh_client(cast["physician"])
    answer = client.get("/fhir/$export?_type=Patient", headers=ASYNC)
    assert answer.status_code == 202
    finish()
    export = BulkExport.objects.get()
    request = RequestFactory().get("/")
    request.session = client.session
    access = work.access_of(export)
    assert still_authenticated(request, access)
    BrowserSession.objects.update(ended_at=timezone.now())
    assert not still_authenticated(request, access)
