"""A copy of a record: all that is held and nothing of anybody else, for the one who asked, with proofs that hold."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from zipfile import ZipFile

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient
from django.utils import timezone

from compliance.copies import work as copy_work
from compliance.copies.archive import CopyArchive, CopyTooLarge
from compliance.fhir.bulk import work
from compliance.models import AccessRecord, BulkExport, Event
from compliance.services import copies, exports
from compliance.services.log import sequence
from compliance.verify.__main__ import main as verify
from tests.conftest import sign_in
from tests.system.objects import objects_of

pytestmark = pytest.mark.django_db
PAGE = "/me/copies/"


@pytest.fixture
def own(client, cast):
    return sign_in(client, cast["patient"], fresh=True)


def finish() -> None:
    for export in exports.due():
        work.run_export(export.pk)


def fetch(client, export: BulkExport) -> tuple[int, bytes]:
    """Take a copy as a browser does: the stream is asynchronous."""

    async def ask() -> tuple[int, bytes]:
        browser = AsyncClient(raise_request_exception=False)
        browser.cookies = client.cookies
        answer = await browser.post(f"/copies/{export.pk}/take/")
        if not answer.streaming:
            return answer.status_code, answer.content
        return answer.status_code, b"".join([piece async for piece in answer.streaming_content])

    return async_to_sync(ask)()


def made(client) -> tuple[BulkExport, ZipFile]:
    assert client.post(PAGE).status_code == 302
    finish()
    export = BulkExport.objects.get(level="record")
    assert (export.state, export.error) == ("done", "")
    status, content = fetch(client, export)
    assert status == 200
    return export, ZipFile(io.BytesIO(content))


def table(archive: ZipFile, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive.read(name).decode())))


def test_a_copy_holds_every_kind_of_data_and_nothing_of_another_patient(own, patient, foreign_patient) -> None:
    objects_of(patient)
    objects_of(foreign_patient)
    _, archive = made(own)
    assert archive.testzip() is None
    (reading,) = table(archive, "readings.csv")
    assert (reading["measurement"], reading["value"], reading["unit"]) == ("Glucose", "48.0", "mg/dL")
    assert len(table(archive, "alarms.csv")) == 1
    (image,) = table(archive, "images/images.csv")
    assert archive.read(image["file"]).startswith(b"\x89PNG")
    assert table(archive, "intakes.csv")
    assert table(archive, "planned-doses.csv")
    assert table(archive, "emergency-accesses.csv")
    assert json.loads(archive.read("fhir/Patient.ndjson"))["id"] == str(patient.pk)
    assert {"fhir/Observation.ndjson", "fhir/MedicationRequest.ndjson", "forecasts.ndjson"} <= set(archive.namelist())
    everything = b"".join(archive.read(name) for name in archive.namelist())
    assert b"Byron" in everything
    for stranger in (b"Somerville", b"T-900", str(foreign_patient.pk).encode()):
        assert stranger not in everything
    index = archive.read("index.html").decode()
    for name in archive.namelist():
        assert name == "index.html" or name.startswith("images/") or f'href="{name}"' in index


def test_the_proofs_in_a_copy_hold_for_an_outsider(own, patient, tmp_path) -> None:
    objects_of(patient)
    sequence()
    _, archive = made(own)
    bundle = tmp_path / "proofs.json"
    bundle.write_bytes(archive.read("log/proofs-1.json"))
    assert verify([str(bundle), "--quorum", "0"]) == 0
    proved = {entry["index"] for entry in json.loads(bundle.read_text())["entries"]}
    placed = {int(row["place"]) for row in table(archive, "log/entries.csv") if row["place"]}
    assert proved == placed
    altered = bundle.read_text().replace("device_registered", "device_retired")
    assert altered != bundle.read_text()
    bundle.write_text(altered)
    assert verify([str(bundle), "--quorum", "0"]) == 1


def test_a_copy_is_for_the_one_who_asked_and_each_taking_is_on_record(own, client, cast, patient) -> None:
    export, _ = made(own)
    assert Event.objects.get(code="record_exported").detail == {"export": str(export.pk), "purpose": "own"}
    fetch(own, export)
    assert Event.objects.filter(code="record_exported", patient=patient).count() == 2
    assert AccessRecord.objects.filter(what="record_export", purpose="own").exists()
    for user in (cast["nurse"], cast["administrator"], cast["outsider"]):
        sign_in(client, user, fresh=True)
        assert fetch(client, export)[0] == 404
        assert client.post(f"/copies/{export.pk}/remove/").status_code == 404
    sign_in(client, cast["patient"])
    assert fetch(client, export)[0] == 302, "a second factor of the last minutes"
    assert client.get(f"/copies/{export.pk}/take/").status_code == 405, "no address opens a copy"


def test_what_lies_on_the_disk_is_sealed(own, patient) -> None:
    export, _ = made(own)
    raw = b"".join(path.read_bytes() for path in exports.folder_of(export.pk).iterdir())
    assert len(raw) > 1000
    assert b"index.html" not in raw
    assert b"PK\x03\x04" not in raw
    assert b"Byron" not in raw


def test_staff_who_answer_for_privacy_make_one_on_behalf_and_the_patient_reads_it(client, cast, patient) -> None:
    sign_in(client, cast["administrator"])
    place = f"/privacy/copies/{patient.pk}/"
    assert client.post(place)["Location"].startswith("/account/step-up/")
    sign_in(client, cast["administrator"], fresh=True)
    assert client.get(place).status_code == 200
    assert client.post(place).status_code == 302
    finish()
    assert fetch(client, BulkExport.objects.get())[0] == 200
    look = AccessRecord.objects.filter(user=cast["administrator"], what="record_export").first()
    assert (look.patient, look.purpose) == (patient, "operations")
    for role in ("nurse", "physician", "caregiver", "trainer", "patient"):
        sign_in(client, cast[role], fresh=True)
        assert client.post(place).status_code in {403, 404}, role
    assert BulkExport.objects.count() == 1


def test_a_copy_under_way_and_copies_kept_are_bounded(own, patient) -> None:
    own.post(PAGE)
    refused = own.post(PAGE)
    assert (refused.status_code, BulkExport.objects.count()) == (400, 1)
    assert "Wait for it" in refused.content.decode()
    for _ in range(2):
        finish()
        own.post(PAGE)
    finish()
    assert BulkExport.objects.filter(state="done").count() == 3
    assert own.post(PAGE).status_code == 400
    own.post(f"/copies/{BulkExport.objects.first().pk}/remove/")
    assert own.post(PAGE).status_code == 302


def test_a_dead_workers_copy_is_taken_up_by_the_next(own, patient) -> None:
    own.post(PAGE)
    export = BulkExport.objects.get()
    held = exports.take(export.pk)
    assert held is not None
    finish()
    assert BulkExport.objects.get().state == "running", "somebody holds it"
    (exports.folder_of(export.pk)).mkdir(parents=True)
    (exports.folder_of(export.pk) / "half.draft").write_bytes(b"half")
    BulkExport.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    finish()
    assert BulkExport.objects.get().state == "done"
    with pytest.raises(exports.ExportLeaseLost):
        copy_work.write_copy(held)
    assert fetch(own, export)[0] == 200


def test_a_cancelled_copy_stops_its_worker_and_leaves_nothing(own, patient) -> None:
    own.post(PAGE)
    export = BulkExport.objects.get()
    held = exports.take(export.pk)
    assert own.post(f"/copies/{export.pk}/remove/").status_code == 302
    with pytest.raises(exports.ExportLeaseLost):
        copy_work.write_copy(held)
    exports.resume(now=timezone.now())
    assert not exports.folder_of(export.pk).exists()


def test_a_copy_expires_and_says_what_to_do(own, patient) -> None:
    export, _ = made(own)
    assert export.expires_at - export.started_at == copies.KEEP
    BulkExport.objects.update(expires_at=timezone.now())
    answer = own.post(f"/copies/{export.pk}/take/", follow=True)
    assert "Ask for a new one" in answer.content.decode()
    exports.resume(now=timezone.now())
    assert not BulkExport.objects.exists()
    assert not exports.folder_of(export.pk).exists()


def test_a_copy_that_grows_too_large_is_given_up_with_a_reason(own, patient, monkeypatch) -> None:
    monkeypatch.setattr(copy_work, "MOST_BYTES", 100)
    own.post(PAGE)
    finish()
    export = BulkExport.objects.get(level="record")
    assert (export.state, export.error) == ("failed", CopyTooLarge().message)
    assert export.error in own.get(PAGE).content.decode()
    assert list(exports.folder_of(export.pk).iterdir()) == []


def test_when_the_right_ends_a_copy_is_neither_finished_nor_handed_out(own, cast, patient) -> None:
    export, _ = made(own)
    own.post(PAGE)
    cast["patient"].own_patient = None
    cast["patient"].save()
    finish()
    assert set(BulkExport.objects.values_list("state", flat=True)) == {"done", "failed"}
    assert fetch(own, export)[0] == 404


def test_tables_never_read_as_formulas() -> None:
    from compliance.copies.archive import inert

    assert [inert(cell) for cell in ("=1+1", "-5", -5, "@x", "plain")] == ["'=1+1", "'-5", -5, "'@x", "plain"]
    assert CopyArchive.__doc__
