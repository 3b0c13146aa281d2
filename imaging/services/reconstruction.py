"""Turn archived k-space into two series, zero-filled and CG-SENSE, in the same units, so that they can be compared."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import uuid5

import numpy as np
from django.db import transaction
from django.utils import timezone
from numpy.typing import NDArray

from compliance.models import EventCategory
from compliance.services.events import record_event
from imaging.codec.npy import read_npy
from imaging.errors import KSpaceMalformed
from imaging.evidence.leaves import ImageLeaf, root_over
from imaging.models import Instance, Series, SeriesKind, Study, StudyState
from imaging.mri.reconstruct import Reconstruction, reconstruct
from imaging.mri.sampling import checked_kspace
from imaging.services import archive, jobs, thumbnails
from imaging.services.committing import committed, leaf_of
from imaging.services.opening import instance_id, made_uid

FULL_SCALE = 65535
SHOWN_MAXIMUM = 1000.0  # reconstructions have arbitrary units; the brightest pixel of a study is shown as 1000


def reconstruct_study(lease: jobs.Lease) -> None:
    """Reconstruct every slice of the study of this job; doing it again replaces the two series.

    Raises KSpaceMalformed, CalibrationTooSmall, ArchiveDamaged or StorageFull.
    """
    began = time.monotonic()
    study = lease.job.study
    Study.objects.filter(pk=study.pk).update(state=StudyState.RECONSTRUCTING)
    jobs.announce(study)
    slices = list(Instance.objects.filter(series__study=study, series__kind=SeriesKind.KSPACE))
    used: list[ImageLeaf] = []
    results = [_one(lease, study, slice_, done, len(slices), used) for done, slice_ in enumerate(slices)]
    brightest = max(float(max(r.zero_filled.max(), r.cg_sense.max())) for r in results) or 1.0
    # The window is the same for both series, or the comparison would compare windows.
    window = (
        float(np.percentile(np.concatenate([r.cg_sense.ravel() for r in results]), 99.5)) / brightest * SHOWN_MAXIMUM
    )
    made = _Made(study, slices, results, brightest, window)
    drafts = [
        _draft(made, SeriesKind.ZERO_FILLED, [r.zero_filled for r in results], ""),
        _draft(made, SeriesKind.CG_SENSE, [r.cg_sense for r in results], f", regularisation {lease.job.lamda:g}"),
    ]
    seconds = round(time.monotonic() - began, 3)
    _store(lease, study, drafts, {"input": root_over(used).hex(), "seconds": seconds})


def _one(
    lease: jobs.Lease, study: Study, slice_: Instance, done: int, of: int, used: list[ImageLeaf]
) -> Reconstruction:
    """Reconstruct one slice and add to `used` what it was made from, by digests of the very bytes that were read."""
    raw = archive.load(study, f"{slice_.pk}.npy")
    kspace = checked_kspace(read_npy(raw))
    mask, mask_digest = _mask(study, slice_)
    used.append(leaf_of(slice_, file=sha256(raw).digest(), mask=mask_digest))
    return reconstruct(
        kspace,
        lambda fraction, stage: lease.keep((done + fraction) / of, f"slice {done + 1} of {of}: {stage}"),
        mask=mask,
        lamda=lease.job.lamda,
    )


def _mask(study: Study, slice_: Instance) -> tuple[NDArray[np.bool_] | None, bytes]:
    name = f"{slice_.pk}.mask.npy"
    if not archive.has(study, name):
        return None, b""
    raw = archive.load(study, name)
    mask = read_npy(raw).astype(np.bool_)
    if mask.shape != (slice_.rows, slice_.columns):
        raise KSpaceMalformed("The sampling mask has another shape than its k-space.")
    return mask, sha256(raw).digest()


@dataclass(frozen=True, slots=True)
class _Made:
    """What both series of a study share."""

    study: Study
    slices: Sequence[Instance]
    results: Sequence[Reconstruction]
    brightest: float
    window: float


def _draft(
    made: _Made, kind: SeriesKind, images: Sequence[NDArray[np.float32]], how: str
) -> tuple[Series, list[Instance]]:
    """Archive the pixels of one series and return its rows, not yet stored."""
    study = made.study
    series_id = uuid5(study.pk, f"series {kind}")
    number = 1 if kind == SeriesKind.ZERO_FILLED else 2
    series = Series(id=series_id, study=study, kind=kind, series_uid=made_uid(series_id), number=number, modality="MR")
    series.description = str(kind.label)
    rows = []
    for slice_, image, result in zip(made.slices, images, made.results, strict=True):
        instance = Instance(id=instance_id(study, f"{kind} {slice_.number}"), series=series, number=slice_.number)
        instance.sop_uid = made_uid(instance.pk)
        instance.rows, instance.columns = image.shape
        instance.slope = SHOWN_MAXIMUM / FULL_SCALE
        instance.window_centre, instance.window_width = made.window / 2, max(made.window, 1.0)
        instance.note = f"{result.acceleration:.1f}x undersampled, maps: {result.maps}{how}"
        levels = np.round(image / made.brightest * FULL_SCALE).astype("<u2")
        values = levels.tobytes()
        archive.store_pixels(study, str(instance.pk), values)
        instance.pixels_sha256 = sha256(values).digest()
        rows.append(instance)
    thumbnails.make(study, series, rows)
    return series, rows


@transaction.atomic
def _store(
    lease: jobs.Lease, study: Study, drafts: Sequence[tuple[Series, list[Instance]]], made: dict[str, object]
) -> None:
    lease.finish()
    study.series.filter(kind__in=[SeriesKind.ZERO_FILLED, SeriesKind.CG_SENSE]).delete()
    for series, instances in drafts:
        series.save(force_insert=True)
        Instance.objects.bulk_create(instances)
    study.state, study.ready_at = StudyState.READY, timezone.now()
    study.reason_code = study.reason = ""
    study.save(update_fields=["state", "ready_at", "reason_code", "reason"])
    record_event(
        category=EventCategory.CLINICAL,
        code="study_reconstructed",
        message="A study was reconstructed: zero-filled and CG-SENSE.",
        patient=study.patient,
        ward_id=study.gateway.ward_id,
        gateway_id=study.gateway_id,
        detail={"study": str(study.pk), "lamda": lease.job.lamda}
        | made
        | committed([row for _series, rows in drafts for row in rows]),
    )
    jobs.announce(study)
