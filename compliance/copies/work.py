"""What a worker does for a copy: ask every part, write the index, seal the zip."""

from __future__ import annotations

import os

from compliance.bulk import SealedFile
from compliance.bulk.sealed import KEY_BYTES
from compliance.copies.archive import CopyArchive
from compliance.copies.index import index_of
from compliance.copies.registry import Asked, parts
from compliance.fhir.errors import Forbidden
from compliance.models import BulkExport, ExportFile, Patient
from compliance.services.copies import may_copy
from compliance.services.exports import ExportLease, path_of, seal_key

MOST_BYTES = 8 * 1024**3  # sealed, on this house's disk


def write_copy(lease: ExportLease) -> list[ExportFile]:
    """Write the zip anew, whatever an earlier worker left, and return its row.

    Raises Forbidden when the right ended since it was asked for, CopyTooLarge, or ExportLeaseLost.
    """
    export = lease.export
    if export.patient is None or not may_copy(export.user, export.patient):
        raise Forbidden("The right to this copy ended before it was finished.")
    key = os.urandom(KEY_BYTES)
    file = ExportFile(export=export, type="zip", number=1, key_sealed=seal_key(key))
    sealed = SealedFile(path_of(file), key)
    try:
        file.lines = _fill(lease, export, export.patient, sealed)
        sealed.close()
    except BaseException:
        sealed.discard()
        raise
    return [file]


def _fill(lease: ExportLease, export: BulkExport, patient: Patient, sealed: SealedFile) -> int:
    asked = Asked(patient, export.user, export.started_at, export.base)
    archive = CopyArchive(sealed, lease.keep, MOST_BYTES)
    for write in parts().values():
        write(asked, archive)
    archive.bytes("index.html", "This page", index_of(asked, archive.members, archive.notes), listed=False)
    archive.close()
    return len(archive.members)
