"""From what is said of an image back to the scanner's signature and the log; and whatever was changed is told."""

from __future__ import annotations

import json
import re
from hashlib import sha256

import pytest

from compliance.models import Event, LogEntry
from devices.evidence.tree import leads_to
from imaging.agent import Spool, StudyNote, deliver
from imaging.models import Instance, Series, SeriesKind, Study, Upload
from imaging.services import archive
from imaging.services.proving import StudyProof
from tests.conftest import sign_in
from tests.devices.evidence.scene import into_the_log

pytestmark = pytest.mark.django_db


@pytest.fixture
def arrived(tmp_path, identity, door, patient, run_jobs, settings):  # type: ignore[no-untyped-def]
    """Return what sends a folder as a study of the patient, works on it, and lets it come into the log."""

    def send(folder) -> Study:
        spooled = Spool(tmp_path / "spool").seal(folder, StudyNote(patient=patient.pk), identity)
        deliver(spooled, door)
        run_jobs()
        into_the_log(settings)
        return Study.objects.get(pk=spooled.study)

    return send


@pytest.fixture
def physician(client, cast):  # type: ignore[no-untyped-def]
    return sign_in(client, cast["physician"])


def panel(client, url: str) -> tuple[str, dict[str, str]]:
    """Return the panel's words, and the outcome of each check by its name."""
    answer = client.get(url, headers={"HX-Request": "true"})
    assert answer.status_code == 200, url
    html = answer.content.decode().replace("&#x27;", "'")
    found = re.findall(r'check-line (\w+)".*?<strong>(.*?)</strong>', html, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", html).split()), {name: outcome for outcome, name in found}


def reconstructed(study: Study) -> Instance:
    return Instance.objects.filter(series__study=study, series__kind=SeriesKind.CG_SENSE).first()


def test_an_image_of_the_scanner_holds_from_its_pixels_to_the_signature(physician, arrived, dicom_folder):
    study = arrived(dicom_folder)
    image = Instance.objects.filter(series__study=study).first()
    words, checks = panel(physician, f"/evidence/image/{image.pk}/")
    assert "Verified" in words
    assert set(checks.values()) == {"holds"}
    assert list(checks)[:5] == [
        "The pixels are those that were archived",
        "The file is the one that came",
        "What was opened is what was signed",
        "The opened images are those on record",
        "The opening is in the transparency log",
    ]
    assert f"{image.columns} by {image.rows} pixels" in words
    assert re.search(r"the program with SHA-256 [0-9a-f]{64}, that which runs now", words)


def test_a_reconstruction_holds_from_its_acceleration_to_the_raw_data_that_came(physician, arrived, kspace_folder):
    study = arrived(kspace_folder)
    image = reconstructed(study)
    words, checks = panel(physician, f"/evidence/image/{image.pk}/")
    assert set(checks.values()) == {"holds"}, checks
    for name in ("The raw data are those that came", "It was computed from what was opened",
                 "The reconstruction is in the transparency log", "The scanner's gateway signed it"):  # fmt: skip
        assert name in checks
    assert image.note in words
    assert re.search(r"Reconstructed \d.* in [\d.]+ s", words)
    assert re.search(r"Reconstructed with .*numpy [\d.]+", words)
    made = Event.objects.get(code="study_reconstructed")
    opened = Event.objects.get(code="study_opened")
    assert made.detail["input"] == opened.detail["root"]
    upload = Upload.objects.get(pk=study.pk)
    assert opened.detail["manifest"] == sha256(bytes(upload.manifest)).hexdigest()


def spoil_note(image: Instance) -> None:
    Instance.objects.filter(pk=image.pk).update(note="1.0x undersampled, maps: espirit")


def spoil_scale(image: Instance) -> None:
    Instance.objects.filter(pk=image.pk).update(slope=image.slope * 2)


def spoil_pixels(image: Instance) -> None:
    archive.store_pixels(image.series.study, str(image.pk), bytes(2 * image.rows * image.columns))


def spoil_pixels_and_digest(image: Instance) -> None:
    spoil_pixels(image)
    Instance.objects.filter(pk=image.pk).update(pixels_sha256=sha256(bytes(2 * image.rows * image.columns)).digest())


def lose_pixels(image: Instance) -> None:
    (archive.folder_of(image.series.study) / f"{image.pk}.px").unlink()


def drop_an_image(image: Instance) -> None:
    Instance.objects.filter(series=image.series).exclude(pk=image.pk).delete()


def spoil_raw_data(image: Instance) -> None:
    source = Instance.objects.get(series__study=image.series.study, series__kind="kspace", number=image.number)
    archive.store(image.series.study, f"{source.pk}.npy", b"something else")


def spoil_input(_image: Instance) -> None:
    event = Event.objects.get(code="study_reconstructed")
    Event.objects.filter(pk=event.pk).update(detail=event.detail | {"input": "00" * 32})


def spoil_event(_image: Instance) -> None:
    event = Event.objects.get(code="study_reconstructed")
    Event.objects.filter(pk=event.pk).update(detail=event.detail | {"lamda": 0.5})


def spoil_log(_image: Instance) -> None:
    LogEntry.objects.update(record='{"event":1}')


def spoil_manifest(image: Instance) -> None:
    upload = Upload.objects.get(pk=image.series.study_id)
    Upload.objects.filter(pk=upload.pk).update(manifest=bytes(upload.manifest).replace(b'"routine"', b'"urgent"'))


@pytest.mark.parametrize(
    ("spoil", "broken"),
    [
        (spoil_note, "The reconstructed images are those on record"),
        (spoil_scale, "The reconstructed images are those on record"),
        (spoil_pixels, "The pixels are those that were archived"),
        (spoil_pixels_and_digest, "The reconstructed images are those on record"),
        (lose_pixels, "The pixels are those that were archived"),
        (drop_an_image, "The reconstructed images are those on record"),
        (spoil_raw_data, "The raw data are those that came"),
        (spoil_input, "It was computed from what was opened"),
        (spoil_event, "The reconstruction is in the transparency log"),
        (spoil_log, "The reconstruction is in the transparency log"),
        (spoil_manifest, "The scanner's gateway signed it"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_was_changed_by_direct_sql_or_on_the_disk_is_told(physician, arrived, kspace_folder, spoil, broken):
    image = reconstructed(arrived(kspace_folder))
    spoil(image)
    words, checks = panel(physician, f"/evidence/image/{image.pk}/")
    assert checks[broken] == "broken", checks
    assert "Do not rely on this value" in words


def test_images_from_before_digests_were_kept_say_so(physician, arrived, kspace_folder):
    image = reconstructed(arrived(kspace_folder))
    Instance.objects.update(file_sha256=b"", mask_sha256=b"", pixels_sha256=b"")
    _words, checks = panel(physician, f"/evidence/image/{image.pk}/")
    assert {"missing", "holds"} == set(checks.values())
    assert checks["The pixels are those that were archived"] == "missing"


def test_reconstructed_again_the_newest_one_is_what_counts(physician, arrived, kspace_folder, cast, run_jobs, settings):
    study = arrived(kspace_folder)
    answer = physician.post(f"/imaging/studies/{study.pk}/reconstruct/", {"lamda": "0.1"})
    assert answer.status_code == 302
    run_jobs()
    into_the_log(settings)
    words, checks = panel(physician, f"/evidence/image/{reconstructed(study).pk}/")
    assert "regularisation 0.1" in words
    assert set(checks.values()) == {"holds"}, checks


def test_the_study_and_its_series_count_what_they_prove(physician, arrived, kspace_folder):
    study = arrived(kspace_folder)
    words, checks = panel(physician, f"/evidence/study/{study.pk}/")
    assert set(checks.values()) == {"holds"}, checks
    assert f"{study.received_bytes:,} B sealed" in words
    assert "CG-SENSE 2 images" in words
    for series in Series.objects.filter(study=study).exclude(kind=SeriesKind.KSPACE):
        words, checks = panel(physician, f"/evidence/series/{series.pk}/")
        assert "2 images" in words
        assert set(checks.values()) == {"holds"}, checks
    (raw,) = Series.objects.filter(study=study, kind=SeriesKind.KSPACE)
    assert physician.get(f"/evidence/series/{raw.pk}/").status_code == 404, "raw data are no pictures"
    slice_ = raw.instances.first()
    assert physician.get(f"/evidence/image/{slice_.pk}/").status_code == 404


def test_the_bundle_lets_an_outsider_follow_an_image_to_its_root(physician, arrived, kspace_folder):
    image = reconstructed(arrived(kspace_folder))
    answer = physician.get(f"/evidence/image/{image.pk}/proof/")
    assert "attachment" in answer["Content-Disposition"]
    bundle = json.loads(answer.content)
    root, leaf = bundle["root"], bytes.fromhex(bundle["leaf"])
    path = [bytes.fromhex(node) for node in root["path"]]
    assert leads_to(bytes.fromhex(root["root"]), leaf, root["index"], root["size"], path)
    assert bytes.fromhex(bundle["pixels_sha256"]) in leaf
    assert json.loads(bundle["log"]["reconstructed"]["record"])["detail"]["root"] == root["root"]
    assert (
        json.loads(bundle["log"]["opened"]["record"])["detail"]["manifest"]
        == sha256(bundle["manifest"].encode()).hexdigest()
    )


def test_every_number_of_the_viewer_and_the_worklist_opens_its_evidence(physician, arrived, kspace_folder):
    study = arrived(kspace_folder)
    page = physician.get(f"/imaging/studies/{study.pk}/").content.decode()
    described = json.loads(re.search(r'<script id="series"[^>]*>(.*?)</script>', page, re.DOTALL)[1])
    images = [image for stack in described for image in stack["images"]]
    assert len(images) == 4
    links = {image["evidence"] for image in images}
    assert len(links) == 4
    shown = set(re.findall(r"<a [^>]*data-number[^>]*>", page))
    links |= {re.search(r'href="([^"]+)"', tag)[1] for tag in shown}
    assert {f"/evidence/series/{stack['id']}/" for stack in described} <= links
    listed = physician.get("/imaging/").content.decode()
    assert re.search(rf'<a [^>]*href="/evidence/study/{study.pk}/"[^>]*data-number', listed)
    for link in sorted(links):
        assert physician.get(link, headers={"HX-Request": "true"}).status_code == 200, link


@pytest.mark.parametrize("who", ["administrator", "outsider"])
def test_who_may_see_no_images_sees_no_evidence_of_them(client, cast, arrived, dicom_folder, who):
    study = arrived(dicom_folder)
    image = Instance.objects.filter(series__study=study).first()
    sign_in(client, cast[who])
    for url in (f"study/{study.pk}/", f"series/{image.series_id}/", f"image/{image.pk}/", f"image/{image.pk}/proof/"):
        assert client.get(f"/evidence/{url}").status_code == 404, url


def test_a_patient_opens_the_evidence_of_the_own_images_alone(client, cast, arrived, dicom_folder, foreign_patient):
    study = arrived(dicom_folder)
    image = Instance.objects.filter(series__study=study).first()
    ada = sign_in(client, cast["patient"])
    words, checks = panel(ada, f"/me/evidence/image/{image.pk}/")
    assert "Checked: nothing was changed" in words
    assert set(checks.values()) == {"holds"}
    urls = [f"study/{study.pk}/", f"series/{image.series_id}/", f"image/{image.pk}/", f"image/{image.pk}/proof/"]
    for url in urls:
        assert ada.get(f"/me/evidence/{url}").status_code == 200, url
    Study.objects.update(patient=foreign_patient)
    for url in urls:
        assert ada.get(f"/me/evidence/{url}").status_code == 404, url


def test_the_same_facts_in_another_order_of_rows_have_the_same_root(arrived, kspace_folder):
    proof = StudyProof(arrived(kspace_folder))
    leaves = proof.leaves(made=True)
    proof.images.reverse()
    assert proof.leaves(made=True) == leaves
