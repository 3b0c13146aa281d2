"""Who sees which pictures, what they get, and that looking is on record."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zlib

import numpy as np
import pytest

from compliance.models import Event
from imaging.agent import Spool, StudyNote, deliver
from imaging.models import ImagingJob, Instance, JobState, SeriesKind, Study, StudyState
from imaging.services import archive

pytestmark = pytest.mark.django_db
READERS = ["nurse", "physician", "caregiver", "trainer"]


@pytest.fixture
def study(tmp_path, kspace_folder, identity, door, patient, run_jobs) -> Study:  # type: ignore[no-untyped-def]
    note = StudyNote(patient=patient.pk, synthetic=True, description="Phantom")
    spooled = Spool(tmp_path / "spool").seal(kspace_folder, note, identity)
    deliver(spooled, door)
    run_jobs()
    return Study.objects.get(pk=spooled.study)


@pytest.fixture
def sign_in(client):  # type: ignore[no-untyped-def]
    return lambda user: client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")


def addresses(study: Study) -> list[str]:
    instance = Instance.objects.exclude(series__kind=SeriesKind.KSPACE).first()
    base = f"/imaging/studies/{study.pk}/"
    return [
        base,
        f"{base}progress/",
        f"{base}pixels/{instance.pk}/",
        f"{base}thumbnails/{instance.series_id}/",
        f"/patients/{study.patient_id}/panels/images/",
    ]


@pytest.mark.parametrize("role", READERS)
def test_readers_see_the_study(client, sign_in, cast, study, role) -> None:
    sign_in(cast[role])
    assert [client.get(address).status_code for address in addresses(study)] == [200] * 5
    assert b"Phantom" in client.get("/imaging/").content


@pytest.mark.parametrize("role", ["administrator", "outsider"])
def test_others_are_refused_everywhere(client, sign_in, cast, study, role) -> None:
    sign_in(cast[role])
    assert {client.get(address).status_code for address in [*addresses(study), "/imaging/"]} <= {403, 404}
    assert client.post(f"/imaging/studies/{study.pk}/reconstruct/", {"lamda": "0.01"}).status_code in {403, 404}


def test_people_of_another_ward_see_nothing(client, sign_in, make_user, other_ward, study) -> None:
    sign_in(make_user("physician", ward=other_ward, username="elsewhere"))
    assert {client.get(address).status_code for address in addresses(study)} == {404}
    assert b"Phantom" not in client.get("/imaging/").content


def test_looking_is_on_record(client, sign_in, cast, study) -> None:
    sign_in(cast["nurse"])
    client.get(f"/imaging/studies/{study.pk}/")
    event = Event.objects.get(code="study_viewed")
    assert (event.user, event.patient) == (cast["nurse"], study.patient)


def test_pixels_arrive_bit_for_bit(client, sign_in, cast, study) -> None:
    sign_in(cast["nurse"])
    page = client.get(f"/imaging/studies/{study.pk}/").content.decode()
    described = json.loads(re.search(r'<script id="series" type="application/json">(.*?)</script>', page).group(1))
    image = next(series for series in described if series["kind"] == "cg_sense")["images"][1]
    answer = client.get(image["url"])
    assert (answer["Content-Encoding"], answer["Cache-Control"]) == ("deflate", "private, no-store")
    pixels = np.frombuffer(zlib.decompress(answer.content), "<u2")
    assert pixels.size == image["rows"] * image["columns"] == 64 * 64
    assert (pixels * image["slope"]).max() == pytest.approx(1000, rel=0.5)


def test_raw_kspace_is_not_a_picture(client, sign_in, cast, study) -> None:
    sign_in(cast["nurse"])
    raw = Instance.objects.filter(series__kind=SeriesKind.KSPACE).first()
    assert client.get(f"/imaging/studies/{study.pk}/pixels/{raw.pk}/").status_code == 404


def test_picture_of_another_study_is_not_found_under_this_one(client, sign_in, cast, study, foreign_patient) -> None:
    other = Study.objects.create(gateway=study.gateway, patient=study.patient, content="dicom")
    sign_in(cast["nurse"])
    pixels = addresses(study)[2].replace(str(study.pk), str(other.pk))
    assert client.get(pixels).status_code == 404


def test_damaged_archive_is_named_and_on_record(client, sign_in, cast, study) -> None:
    sign_in(cast["nurse"])
    address = addresses(study)[2]
    instance = address.rstrip("/").rsplit("/", 1)[1]
    path = archive.folder_of(study) / f"{instance}.px"
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    assert client.get(address).status_code == 500
    assert Event.objects.filter(code="archive_damaged", category="security", patient=study.patient).exists()


def test_physician_orders_another_reconstruction(client, sign_in, cast, study, run_jobs) -> None:
    sign_in(cast["physician"])
    before = {row.pk for row in Instance.objects.all()}
    answer = client.post(f"/imaging/studies/{study.pk}/reconstruct/", {"lamda": "0.1"})
    assert answer.status_code == 302
    study.refresh_from_db()
    assert study.state == StudyState.RECONSTRUCTING
    run_jobs()
    study.refresh_from_db()
    assert study.state == StudyState.READY
    assert {row.pk for row in Instance.objects.all()} == before
    assert ImagingJob.objects.filter(state=JobState.DONE, lamda=0.1).count() == 1
    assert Event.objects.get(code="reconstruction_requested").user == cast["physician"]


def test_nurse_may_look_but_not_order(client, sign_in, cast, study) -> None:
    sign_in(cast["nurse"])
    assert b"Reconstruct again" not in client.get(f"/imaging/studies/{study.pk}/").content
    assert client.post(f"/imaging/studies/{study.pk}/reconstruct/", {"lamda": "0.1"}).status_code == 403


@pytest.mark.parametrize("lamda", ["", "x", "nan", "-1", "2"])
def test_senseless_regularisation_is_refused(client, sign_in, cast, study, lamda) -> None:
    sign_in(cast["physician"])
    assert client.post(f"/imaging/studies/{study.pk}/reconstruct/", {"lamda": lamda}).status_code == 400


def test_worklist_puts_the_urgent_first_and_says_why_one_was_set_aside(client, sign_in, cast, scanner, patient) -> None:
    common = {"gateway": scanner, "patient": patient, "content": "dicom"}
    Study.objects.create(description="Routine one", urgency=2, **common)
    aside = {"state": StudyState.SET_ASIDE, "reason": "Piece 0 of 3 does not open."}
    Study.objects.create(description="Stat one", urgency=0, **aside, **common)
    sign_in(cast["nurse"])
    page = client.get("/imaging/").content.decode()
    assert page.index("Stat one") < page.index("Routine one")
    assert "Piece 0 of 3 does not open." in page
    rows = client.get("/imaging/", headers={"X-Medtwin-Part": "rows"}).content.decode()
    assert "<html" not in rows
    assert 'data-unfinished="yes"' in rows


def test_empty_worklist_says_so(client, sign_in, cast) -> None:
    sign_in(cast["nurse"])
    assert b"No images yet" in client.get("/imaging/").content


def test_unassigned_study_is_seen_on_the_scanners_ward_only(
    client, sign_in, cast, scanner, make_user, other_ward
) -> None:
    study = Study.objects.create(gateway=scanner, content="dicom", description="Nobody's")
    sign_in(cast["nurse"])
    assert client.get(f"/imaging/studies/{study.pk}/").status_code == 200
    sign_in(make_user("nurse", ward=other_ward, username="elsewhere"))
    assert client.get(f"/imaging/studies/{study.pk}/").status_code == 404


def test_page_of_a_study_on_its_way_asks_again_until_it_is_there(client, sign_in, cast, scanner, patient) -> None:
    study = Study.objects.create(gateway=scanner, patient=patient, content="dicom")
    sign_in(cast["nurse"])
    answer = client.get(f"/imaging/studies/{study.pk}/progress/")
    assert "HX-Refresh" not in answer
    assert b"hx-trigger" in answer.content
    Study.objects.update(state=StudyState.SET_ASIDE, reason="Broken.")
    assert client.get(f"/imaging/studies/{study.pk}/progress/")["HX-Refresh"] == "true"


def test_web_process_never_imports_the_decoders() -> None:
    code = "import django, sys; django.setup(); import imaging.urls; print({'torch', 'pydicom'} & set(sys.modules))"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "twin.settings"}
    made = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "set()"
