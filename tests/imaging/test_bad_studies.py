"""A study that is wrong inside is set aside with its reason and an event, and nothing of it is shown or kept."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian

from compliance.models import Event, EventCategory
from imaging.models import ImagingJob, Instance, JobState, Study, StudyState, Upload
from imaging.sealing import Entry, Sealing, seal_study
from imaging.sealing.manifest import sign
from imaging.services import archive, incoming

pytestmark = pytest.mark.django_db


@pytest.fixture
def arrive(identity, door, patient):  # type: ignore[no-untyped-def]
    """Return what seals any entries as an enrolled but careless or hostile gateway would, and uploads them."""

    def arrive(entries, content="dicom", declared=None):  # type: ignore[no-untyped-def]
        from uuid import uuid4

        sealing = Sealing(
            uuid4(), identity.gateway, identity.signing_key, identity.hospital_public, content, 0.0, patient.pk
        )
        sizes = declared or [(entry.name, len(entry.data)) for entry in entries]
        pieces: list[bytes] = []
        manifest = seal_study(sealing, sizes, entries, lambda _, piece: pieces.append(piece))
        raw = manifest.encode()
        door.begin(raw, sign(raw, identity.signing_key))
        for index, piece in enumerate(pieces):
            door.put(manifest.study, index, piece)
        door.complete(manifest.study)
        return Study.objects.get(pk=manifest.study)

    return arrive


def npy(array: np.ndarray) -> bytes:
    buffer = BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.fixture
def good(dicom_folder) -> list[Entry]:
    return [Entry("0.dcm", (dicom_folder / "CT_small.dcm").read_bytes())]


def assert_set_aside(study: Study, code: str, category: EventCategory) -> None:
    study.refresh_from_db()
    assert (study.state, study.reason_code) == (StudyState.SET_ASIDE, code)
    assert study.reason
    assert study.jobs.get().state == JobState.SET_ASIDE
    assert Event.objects.filter(code=code, category=category, gateway_id=study.gateway_id).exists()
    assert not Instance.objects.exists()
    assert not archive.folder_of(study).exists()


def test_flipped_bit(arrive, good, run_jobs) -> None:
    study = arrive(good)
    path = next(incoming.folder_of(study.pk).iterdir())
    changed = bytearray(path.read_bytes())
    changed[1000] ^= 1
    path.write_bytes(changed)
    run_jobs()
    assert_set_aside(study, "study_altered", EventCategory.SECURITY)


@pytest.mark.parametrize("note", [b"[]", b"{", b"\xff", b"[" * 4000], ids=["list", "cut", "no text", "nested"])
def test_unreadable_note(arrive, good, run_jobs, note) -> None:
    study = arrive([Entry("study.json", note), *good])
    run_jobs()
    assert_set_aside(study, "study_malformed", EventCategory.DATA_QUALITY)


def test_missing_piece_is_waited_for_and_found(arrive, good, run_jobs) -> None:
    study = arrive(good)
    path = next(incoming.folder_of(study.pk).iterdir())
    piece = path.read_bytes()
    path.unlink()
    run_jobs()
    job = ImagingJob.objects.get()
    assert (job.state, job.error_code, job.attempts) == (JobState.QUEUED, "chunk_missing", 0)
    assert Event.objects.filter(code="chunk_missing").exists()
    path.write_bytes(piece)
    ImagingJob.objects.update(lease_until=None)
    run_jobs()
    study.refresh_from_db()
    assert study.state == StudyState.READY


def test_wrong_key(arrive, good, run_jobs, settings, tmp_path) -> None:
    study = arrive(good)
    other = tmp_path / "other.seed"
    other.write_bytes(b"\x09" * 32)
    settings.IMAGING_OPENING_KEY_FILE = str(other)
    run_jobs()
    assert_set_aside(study, "study_key_wrong", EventCategory.SECURITY)


def test_manifest_changed_in_the_database(arrive, good, run_jobs) -> None:
    study = arrive(good)
    upload = Upload.objects.get()
    upload.manifest = bytes(upload.manifest).replace(b'"synthetic":false', b'"synthetic":true')
    upload.save()
    run_jobs()
    assert_set_aside(study, "study_signer_wrong", EventCategory.SECURITY)


@pytest.mark.parametrize(
    "data", [b"", b"no image", bytes(128) + b"DICM", bytes(128) + b"DICM" + b"\x02\x00\x10\x00UI\xff\xff"]
)
def test_file_that_is_not_dicom(arrive, run_jobs, data) -> None:
    study = arrive([Entry("0.dcm", data)])
    run_jobs()
    assert_set_aside(study, "not_dicom", EventCategory.DATA_QUALITY)


def test_one_bad_file_sets_the_whole_study_aside(arrive, good, run_jobs) -> None:
    study = arrive([*good, Entry("1.dcm", b"no image")])
    run_jobs()
    assert_set_aside(study, "not_dicom", EventCategory.DATA_QUALITY)


def test_decompression_bomb(arrive, run_jobs) -> None:
    study = arrive([Entry("0.dcm", bytes(64 << 20))], declared=[("0.dcm", 1000)])
    run_jobs()
    assert_set_aside(study, "decompression_bomb", EventCategory.SECURITY)


def test_deflated_dicom_is_refused_before_it_inflates(arrive, run_jobs, dicom_folder) -> None:
    dataset = dcmread(dicom_folder / "CT_small.dcm")
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    buffer = BytesIO()
    dataset.save_as(buffer)
    study = arrive([Entry("0.dcm", buffer.getvalue())])
    run_jobs()
    assert_set_aside(study, "decompression_bomb", EventCategory.SECURITY)


def test_image_that_declares_too_many_pixels(arrive, run_jobs, dicom_folder) -> None:
    dataset = dcmread(dicom_folder / "CT_small.dcm")
    dataset.Rows = dataset.Columns = 60000
    buffer = BytesIO()
    dataset.save_as(buffer)
    study = arrive([Entry("0.dcm", buffer.getvalue())])
    run_jobs()
    assert_set_aside(study, "decompression_bomb", EventCategory.SECURITY)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 32, 32), np.float32),
        np.zeros((4, 32, 32), np.complex64),
        np.full((4, 32, 32), np.nan, np.complex64),
        np.ones((2, 2, 32, 32), np.complex64),
        np.ones((4, 3, 3), np.complex64),
        np.array([{"pickled": True}], dtype=object),
    ],
)
def test_bad_kspace(arrive, run_jobs, array) -> None:
    study = arrive([Entry("0.npy", npy(array))], content="kspace")
    run_jobs()
    assert_set_aside(study, "kspace_malformed", EventCategory.DATA_QUALITY)


def test_kspace_whose_header_lies_about_its_size(arrive, run_jobs) -> None:
    honest = npy(np.ones((4, 32, 32), np.complex64))
    lying = honest.replace(b"(4, 32, 32), }" + b" " * 10, b"(40000, 32000, 32000), }")
    assert len(lying) == len(honest)
    study = arrive([Entry("0.npy", lying)], content="kspace")
    run_jobs()
    assert_set_aside(study, "kspace_malformed", EventCategory.DATA_QUALITY)


def test_kspace_without_a_centre_keeps_its_data_and_says_why(arrive, run_jobs) -> None:
    rng = np.random.default_rng(0)
    kspace = (rng.normal(size=(4, 64, 64)) + 1j * rng.normal(size=(4, 64, 64))).astype(np.complex64)
    kspace[:, ::2] = 0
    study = arrive([Entry("0.npy", npy(kspace))], content="kspace")
    run_jobs()
    study.refresh_from_db()
    assert (study.state, study.reason_code) == (StudyState.SET_ASIDE, "calibration_too_small")
    assert archive.has(study, f"{Instance.objects.get().pk}.npy")
