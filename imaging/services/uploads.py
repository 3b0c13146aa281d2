"""Sealed studies come in: announced, piece by piece, completed. Every step may be repeated; nothing here can read a
pixel."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from compliance.models import EventCategory, Patient
from compliance.services.events import record_event
from devices.models import Gateway, GatewayState
from imaging.errors import (
    ChunkAltered,
    ChunkMissing,
    RequestRefused,
    StudyKeyWrong,
    StudyMalformed,
    StudyPatientWrong,
    StudySignerWrong,
    TooManyUploads,
    UploadConflict,
    UploadUnknown,
)
from imaging.models import JobKind, Study, Upload, UploadState, Urgency
from imaging.sealing import Manifest, read_manifest
from imaging.sealing.study import check_piece
from imaging.services import archive, incoming, jobs, keys
from imaging.services.files import require_space

MAX_OPEN_UPLOADS = 16  # per gateway
STALE_AFTER = timedelta(days=7)
SPACE_FACTOR = 4  # the sealed pieces, the archived files, the viewer's pixels and two reconstructions
URGENCIES = {"stat": Urgency.STAT, "urgent": Urgency.URGENT, "routine": Urgency.ROUTINE}


def active_gateway(gateway_id: int) -> Gateway:
    """Return the gateway that may send; raise RequestRefused for an unknown, quarantined or retired one."""
    gateway = Gateway.objects.filter(pk=gateway_id, state=GatewayState.ACTIVE).first()
    if gateway is None:
        raise RequestRefused
    return gateway


@transaction.atomic
def begin(*, gateway: Gateway, manifest: bytes, signature: bytes) -> list[int]:
    """Announce a study and return the indexes of the missing pieces; none when it was already received whole.

    A new manifest for an unfinished study (the gateway sealed it again) starts that study over.
    """
    read = _acceptable(gateway, manifest, signature)
    upload = Upload.objects.select_for_update().filter(pk=read.study).first()
    if upload is not None and upload.gateway_id != gateway.pk:
        raise UploadConflict
    if upload is not None and upload.state == UploadState.COMPLETE:
        return []
    if upload is None or bytes(upload.manifest) != manifest:
        if upload is None and open_uploads(gateway) >= MAX_OPEN_UPLOADS:
            raise TooManyUploads
        require_space(settings.IMAGING_DIR, SPACE_FACTOR * max(read.sealed_bytes, read.package_bytes))
        incoming.forget(read.study)
        row = {"gateway": gateway, "manifest": manifest, "signature": signature, "begun_at": timezone.now()}
        row |= {"pieces": len(read.chunks), "sealed_bytes": read.sealed_bytes}
        Upload.objects.update_or_create(pk=read.study, defaults=row)
    return incoming.missing(read.study, len(read.chunks))


def missing(*, gateway: Gateway, study: UUID) -> list[int]:
    """Return the indexes of the pieces that are not here yet."""
    upload = _own(gateway, study)
    return [] if upload.state == UploadState.COMPLETE else incoming.missing(study, upload.pieces)


def put(*, gateway: Gateway, study: UUID, index: int, piece: bytes) -> None:
    """Keep one piece. Raises ChunkAltered when it is not the one that the signed manifest names, StorageFull."""
    upload = _own(gateway, study)
    if index >= upload.pieces:
        raise StudyMalformed(f"This study has {upload.pieces} pieces.")
    if not check_piece(stored_manifest(upload), index, piece):
        raise ChunkAltered
    if upload.state == UploadState.OPEN:
        incoming.keep(study, index, piece)


@transaction.atomic
def complete(*, gateway: Gateway, study: UUID) -> Study:
    """Turn a whole upload into a study with a job; doing it again changes nothing. Raises ChunkMissing."""
    upload = _own(gateway, study, lock=True)
    if upload.state == UploadState.COMPLETE:
        return Study.objects.get(pk=study)
    if absent := incoming.missing(study, upload.pieces):
        raise ChunkMissing(f"{len(absent)} of {upload.pieces} pieces are missing.")
    manifest = stored_manifest(upload)
    arrived = Study.objects.create(
        pk=study,
        patient_id=manifest.patient,
        gateway=gateway,
        urgency=URGENCIES[manifest.urgency],
        content=manifest.content,
        synthetic=manifest.synthetic,
        archive_key=archive.new_study_key(),
        received_bytes=manifest.sealed_bytes,
    )
    upload.state, upload.completed_at = UploadState.COMPLETE, timezone.now()
    upload.save(update_fields=["state", "completed_at"])
    record_event(
        category=EventCategory.OPERATION,
        code="study_received",
        message="A sealed study arrived.",
        patient=arrived.patient,
        ward_id=gateway.ward_id,
        gateway_id=gateway.pk,
        detail={"study": str(arrived.pk)},
    )
    jobs.enqueue(study=arrived, kind=JobKind.OPEN)
    jobs.announce(arrived)
    return arrived


def open_uploads(gateway: Gateway) -> int:
    """Return how many uploads of this gateway are unfinished."""
    return Upload.objects.filter(gateway=gateway, state=UploadState.OPEN).count()


def forget_stale() -> None:
    """Drop uploads that nobody finished within STALE_AFTER, so that they cannot block their gateway for ever."""
    stale = Upload.objects.filter(state=UploadState.OPEN, begun_at__lt=timezone.now() - STALE_AFTER)
    for upload in stale:
        incoming.forget(upload.pk)
        upload.delete()


def stored_manifest(upload: Upload) -> Manifest:
    """Return the manifest of an upload, whose signature was verified when it was announced."""
    return msgspec.json.decode(bytes(upload.manifest), type=Manifest)


def _acceptable(gateway: Gateway, manifest: bytes, signature: bytes) -> Manifest:
    read = read_manifest(manifest, signature, bytes(gateway.public_key))
    if read.gateway != gateway.pk:
        raise StudySignerWrong
    if read.patient and not Patient.objects.filter(pk=read.patient, ward_id=gateway.ward_id).exists():
        raise StudyPatientWrong
    if (expected := keys.hospital_key_name()) and read.hospital_key != expected:
        raise StudyKeyWrong
    return read


def _own(gateway: Gateway, study: UUID, *, lock: bool = False) -> Upload:
    rows = Upload.objects.select_for_update() if lock else Upload.objects
    upload = rows.filter(pk=study, gateway=gateway).first()
    if upload is None:
        raise UploadUnknown
    return upload
