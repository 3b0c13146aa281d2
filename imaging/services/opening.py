"""Open a sealed study: verify, decrypt, read, archive, and only then show. Runs in a worker that holds the opening
key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import sha256
from uuid import UUID, uuid5

import numpy as np
from django.db import transaction
from django.utils import timezone

from compliance.models import EventCategory
from compliance.services.events import record_event
from imaging.codec.npy import read_npy
from imaging.dicom import DicomImage, read_dicom
from imaging.errors import NotDicom, StudyMalformed
from imaging.models import Instance, JobKind, Series, SeriesKind, Study, StudyState, Upload
from imaging.mri.sampling import checked_kspace
from imaging.sealing import Entry, Manifest, open_study, read_manifest
from imaging.services import archive, incoming, jobs, keys, thumbnails
from imaging.services.committing import committed

NOTE = "study.json"
MAX_NOTE_BYTES = 4096


def open_sealed(lease: jobs.Lease) -> None:
    """Open the study of this job. Doing it again after a crash writes the same files and the same rows.

    Raises the study's DomainError; then nothing of it was stored.
    """
    study = lease.job.study
    Study.objects.filter(pk=study.pk).update(state=StudyState.OPENING)
    jobs.announce(study)
    try:
        manifest = _verified(study)
        files = _watched(lease, manifest, study)
        rows = _read_kspace(study, files) if manifest.content == "kspace" else _read_dicom(study, files)
        if manifest.content == "dicom":
            rows.make_thumbnails()
        _store(lease, study, rows, sha256(manifest.encode()).hexdigest())
    except Exception:
        archive.forget(study)
        raise
    incoming.forget(study.pk)


def instance_id(study: Study, uid: str) -> UUID:
    """Return the identifier of an image: the same each time the study is opened."""
    return uuid5(study.pk, uid)


def made_uid(identifier: UUID) -> str:
    """Return a DICOM UID made of a UUID (PS3.5 annex B.2)."""
    return f"2.25.{identifier.int}"


def _verified(study: Study) -> Manifest:
    """Check the signature once more: between the web process and here lies a database that others can write to."""
    upload = Upload.objects.get(pk=study.pk)
    return read_manifest(bytes(upload.manifest), bytes(upload.signature), bytes(study.gateway.public_key))


def _watched(lease: jobs.Lease, manifest: Manifest, study: Study) -> Iterator[Entry]:
    pieces = incoming.pieces(study.pk, len(manifest.chunks))
    for done, entry in enumerate(open_study(manifest, pieces, keys.opening_key())):
        lease.keep(done / manifest.files, "opening")
        if entry.name == NOTE:
            study.description = _description(entry.data)
        else:
            yield entry


def _description(raw: bytes) -> str:
    try:
        note = json.loads(raw) if len(raw) <= MAX_NOTE_BYTES else None
    except (ValueError, RecursionError):
        note = None
    if not isinstance(note, dict):
        raise StudyMalformed("The study's note is not readable.")
    return "".join(char for char in str(note.get("description", "")) if char.isprintable())[:120]


class _Rows:
    """The series and instances of a study while it is read."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.series: dict[str, Series] = {}
        self.instances: dict[UUID, Instance] = {}

    def add(self, series: Series, instance: Instance) -> None:
        instance.series = self.series.setdefault(series.series_uid, series)
        self.instances[instance.pk] = instance

    def make_thumbnails(self) -> None:
        for series in self.series.values():
            of_series = [row for row in self.instances.values() if row.series is series]
            thumbnails.make(self.study, series, of_series)


def _read_dicom(study: Study, files: Iterable[Entry]) -> _Rows:
    rows = _Rows(study)
    for entry in files:
        image = read_dicom(entry.data)
        instance = _dicom_instance(study, image)
        archive.store(study, f"{instance.pk}.dcm", entry.data)
        little_endian = image.pixels.astype(image.pixels.dtype.newbyteorder("<"))
        values = little_endian.tobytes()
        archive.store_pixels(study, str(instance.pk), values)
        instance.file_sha256, instance.pixels_sha256 = sha256(entry.data).digest(), sha256(values).digest()
        rows.add(_dicom_series(study, image), instance)
        study.study_uid, study.taken_on = image.study_uid, image.taken_on
        study.modality = image.modality
        study.description = study.description or image.study_description
    if not rows.instances:
        raise NotDicom("There is no image in the study.")
    return rows


def _dicom_series(study: Study, image: DicomImage) -> Series:
    return Series(
        id=uuid5(study.pk, f"series {image.series_uid}"),
        study=study,
        series_uid=image.series_uid,
        number=image.series_number,
        modality=image.modality,
        description=image.series_description,
    )


def _dicom_instance(study: Study, image: DicomImage) -> Instance:
    frames, rows, columns = image.pixels.shape
    return Instance(
        id=instance_id(study, image.sop_uid),
        sop_uid=image.sop_uid,
        number=image.number,
        position_mm=image.position_mm,
        rows=rows,
        columns=columns,
        frames=frames,
        signed=image.pixels.dtype.kind == "i",
        slope=image.slope,
        intercept=image.intercept,
        window_centre=image.window_centre,
        window_width=image.window_width,
        inverted=image.inverted,
        row_spacing_mm=image.spacing_mm[0] if image.spacing_mm else None,
        column_spacing_mm=image.spacing_mm[1] if image.spacing_mm else None,
    )


def _read_kspace(study: Study, files: Iterable[Entry]) -> _Rows:
    rows = _Rows(study)
    study.modality = "MR"
    series_id = uuid5(study.pk, "series kspace")
    masks: dict[UUID, bytes] = {}
    for entry in files:
        name, mask = entry.name.removesuffix(".npy").removesuffix(".mask"), entry.name.endswith(".mask.npy")
        instance = instance_id(study, f"kspace {name}")
        if mask:
            _check_mask(entry.data)
            archive.store(study, f"{instance}.mask.npy", entry.data)
            masks[instance] = sha256(entry.data).digest()
            continue
        coils, ky, kx = checked_kspace(read_npy(entry.data)).shape
        archive.store(study, f"{instance}.npy", entry.data)
        series = Series(id=series_id, study=study, kind=SeriesKind.KSPACE, modality="MR")
        series.series_uid = made_uid(series_id)
        row = Instance(id=instance, sop_uid=made_uid(instance), number=len(rows.instances), rows=ky, columns=kx)
        row.frames, row.window_centre, row.window_width, row.note = coils, 0.0, 1.0, f"{coils} coils"
        row.file_sha256 = sha256(entry.data).digest()
        rows.add(series, row)
    if not rows.instances:
        raise StudyMalformed("There is no k-space in the study.")
    for identifier, digest in masks.items():
        if identifier in rows.instances:
            rows.instances[identifier].mask_sha256 = digest
    return rows


def _check_mask(raw: bytes) -> None:
    mask = read_npy(raw)
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise StudyMalformed("A sampling mask is a boolean array (ky, kx).")


@transaction.atomic
def _store(lease: jobs.Lease, study: Study, rows: _Rows, manifest: str) -> None:
    """Show the study, in one transaction with the end of the job."""
    lease.finish()
    study.series.all().delete()
    Series.objects.bulk_create(rows.series.values())
    Instance.objects.bulk_create(rows.instances.values())
    raw = study.content == "kspace"
    study.state = StudyState.RECONSTRUCTING if raw else StudyState.READY
    study.ready_at = None if raw else timezone.now()
    study.reason_code = study.reason = ""
    study.save()
    record_event(
        category=EventCategory.CLINICAL,
        code="study_opened",
        message=f"A study was opened and archived: {len(rows.instances)} images.",
        patient=study.patient,
        ward_id=study.gateway.ward_id,
        gateway_id=study.gateway_id,
        detail={"study": str(study.pk), "manifest": manifest} | committed(rows.instances.values()),
    )
    if raw:
        jobs.enqueue(study=study, kind=JobKind.RECONSTRUCT)
    jobs.announce(study)
