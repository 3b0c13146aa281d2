"""From a folder on the scanner's gateway to pictures in the archive, through the sealed path."""

from __future__ import annotations

import zlib
from uuid import UUID

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from imaging.agent import Spool, StudyNote, deliver
from imaging.models import ImagingJob, Instance, JobState, SeriesKind, Study, StudyState
from imaging.services import archive, incoming

pytestmark = pytest.mark.django_db


@pytest.fixture
def spool(tmp_path) -> Spool:  # type: ignore[no-untyped-def]
    return Spool(tmp_path / "spool")


def send(spool, folder, identity, door, **note) -> UUID:  # type: ignore[no-untyped-def]
    spooled = spool.seal(folder, StudyNote(**note), identity)
    deliver(spooled, door)
    return spooled.study


def test_dicom_study_arrives_bit_for_bit(spool, dicom_folder, identity, door, patient, run_jobs) -> None:
    study_id = send(spool, dicom_folder, identity, door, patient=patient.pk, urgency="urgent")
    run_jobs()
    study = Study.objects.get(pk=study_id)
    assert (study.state, study.patient, study.get_urgency_display()) == (StudyState.READY, patient, "urgent")
    original = dcmread(get_testdata_file("MR_small.dcm", download=False))
    instance = Instance.objects.get(sop_uid=original.SOPInstanceUID)
    raw = zlib.decompress(archive.load_pixels(study, str(instance.pk)))
    pixels = np.frombuffer(raw, "<i2" if instance.signed else "<u2").reshape(instance.rows, instance.columns)
    np.testing.assert_array_equal(pixels, original.pixel_array)
    assert not incoming.folder_of(study_id).exists()


def test_names_do_not_leave_the_gateway(spool, dicom_folder, identity, door, patient, run_jobs) -> None:
    study_id = send(spool, dicom_folder, identity, door, patient=patient.pk)
    run_jobs()
    study = Study.objects.get(pk=study_id)
    original = dcmread(get_testdata_file("CT_small.dcm", download=False))
    instance = Instance.objects.get(sop_uid=original.SOPInstanceUID)
    stored = archive.load(study, f"{instance.pk}.dcm")
    assert str(original.PatientName).encode() not in stored
    assert str(original.PatientID).encode() not in stored
    assert original.StudyInstanceUID.encode() in stored


def test_archive_holds_no_plaintext(spool, dicom_folder, identity, door, run_jobs) -> None:
    study_id = send(spool, dicom_folder, identity, door)
    run_jobs()
    files = list(archive.folder_of(Study.objects.get(pk=study_id)).iterdir())
    assert len(files) == 6  # for each image the file, its pixels and a thumbnail
    assert not any(b"DICM" in path.read_bytes() for path in files)


def test_kspace_becomes_two_comparable_series(spool, kspace_folder, identity, door, patient, run_jobs) -> None:
    study_id = send(spool, kspace_folder, identity, door, patient=patient.pk, synthetic=True, description="Phantom")
    run_jobs()
    study = Study.objects.get(pk=study_id)
    assert (study.state, study.synthetic, study.description) == (StudyState.READY, True, "Phantom")
    kinds = {series.kind: series.instances.count() for series in study.series.all()}
    assert kinds == {SeriesKind.KSPACE: 2, SeriesKind.ZERO_FILLED: 2, SeriesKind.CG_SENSE: 2}
    slopes = {row.slope for row in Instance.objects.filter(series__study=study).exclude(series__kind="kspace")}
    assert len(slopes) == 1
    assert all(job.state == JobState.DONE for job in study.jobs.all())


def test_study_sent_twice_is_one_study(spool, dicom_folder, identity, door, run_jobs, tmp_path) -> None:
    first = send(spool, dicom_folder, identity, door)
    run_jobs()
    again = send(Spool(tmp_path / "other"), dicom_folder, identity, door)
    assert first == again
    assert Study.objects.count() == ImagingJob.objects.count() == 1
    assert len([call for call in door.calls if call.startswith("put")]) == 1
