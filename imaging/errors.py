"""Named errors of the imaging path. Each is also the `code` of the event that records it.

`permanent` decides what happens to a study: a permanent error sets it aside with its reason, any other is tried again.
"""

from __future__ import annotations

from compliance.errors import DomainError


class ImagingError(DomainError):
    """An image could not be handled."""

    code = "imaging_error"


class StudyMalformed(ImagingError):
    """The study does not add up: a field, a length or a name is wrong."""

    code = "study_malformed"


class StudyAltered(ImagingError):
    """A sealed piece does not open: a bit was flipped, or pieces were reordered, exchanged or cut off."""

    code = "study_altered"


class StudyKeyWrong(ImagingError):
    """The study was sealed for another hospital's key."""

    code = "study_key_wrong"


class StudySignerWrong(ImagingError):
    """The study is not signed by the gateway that claims to have sent it."""

    code = "study_signer_wrong"


class StudyPatientWrong(ImagingError):
    """The patient is unknown, or not on the ward of this gateway."""

    code = "study_patient_wrong"


class StudyTooLarge(ImagingError):
    """The study is larger than this hospital accepts."""

    code = "study_too_large"
    http_status = 413


class DecompressionBomb(ImagingError):
    """The study unpacks to far more than it declared. Nothing beyond the declared size was unpacked."""

    code = "decompression_bomb"


class NotDicom(ImagingError):
    """A file is not a readable DICOM image."""

    code = "not_dicom"


class PixelsUnsupported(ImagingError):
    """The image has pixels that the viewer cannot show: colour, or more than 16 bits."""

    code = "pixels_unsupported"


class KSpaceMalformed(ImagingError):
    """The k-space file is not a finite complex array (coil, ky, kx) of a sensible size."""

    code = "kspace_malformed"


class CalibrationTooSmall(ImagingError):
    """The centre of k-space is sampled too sparsely to find the coils' sensitivities."""

    code = "calibration_too_small"


class ChunkMissing(ImagingError):
    """Pieces of the study are missing. Send them, then complete the upload again."""

    code = "chunk_missing"
    http_status = 409
    permanent = False


class ChunkAltered(ImagingError):
    """This piece is not the one that the manifest names. Send it again."""

    code = "chunk_altered"
    http_status = 422
    permanent = False


class UploadUnknown(ImagingError):
    """There is no such upload for this gateway."""

    code = "upload_unknown"
    http_status = 404


class UploadConflict(ImagingError):
    """A different study was already completed under this identifier."""

    code = "upload_conflict"
    http_status = 409


class TooManyUploads(ImagingError):
    """This gateway has too many unfinished uploads. Finish some first."""

    code = "too_many_uploads"
    http_status = 429
    permanent = False


class RequestRefused(ImagingError):
    """The request is not signed by an active gateway, or its time is off by more than five minutes."""

    code = "request_refused"
    http_status = 401


class StorageFull(ImagingError):
    """The image store is full. Nothing was lost; the gateway keeps the study and will send it again."""

    code = "storage_full"
    http_status = 507
    permanent = False


class ArchiveDamaged(ImagingError):
    """An archived image does not open: its bytes were changed, or the archive key is another one."""

    code = "archive_damaged"
    http_status = 500


class OpeningKeyAbsent(ImagingError):
    """This process does not hold the hospital's opening key: start the worker with IMAGING_OPENING_KEY_FILE."""

    code = "opening_key_absent"
    http_status = 500
    permanent = False


class LeaseLost(ImagingError):
    """Another worker took this job over."""

    code = "lease_lost"
    permanent = False


class WorkerLost(ImagingError):
    """The worker died several times on this study; it is set aside so that it cannot stop the others."""

    code = "worker_lost"
