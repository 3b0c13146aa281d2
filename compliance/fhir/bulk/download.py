"""What of a file goes out: only what the one who asks may still see at this moment, decided line by line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from uuid import UUID

from compliance.bulk import read_lines
from compliance.fhir.access import Access
from compliance.fhir.bulk.kickoff import permitted, require_right
from compliance.fhir.bulk.research import require_research, require_still_consenting
from compliance.fhir.bulk.work import NOBODY
from compliance.fhir.errors import Forbidden, Gone, ResourceNotFound
from compliance.fhir.registry import ResourceType, type_named
from compliance.models import BulkExport, ExportFile, ExportState, Patient
from compliance.policy.asking import Asking, asking, current
from compliance.selectors import within_scope
from compliance.services.exports import key_of, path_of

BLOCK = 200  # lines that memory holds
ASK_EVERY_S = 0.5  # how old the policy's answer may be when a block leaves


def mine(access: Access, export_id: UUID) -> BulkExport:
    """Return an export of the one who asks, while the right to export lasts. Raises ResourceNotFound, Forbidden."""
    export = BulkExport.objects.filter(pk=export_id, user=access.user, patient=None).first()
    if export is None or export.expires_at <= access.now or export.by_token != (access.scopes is not None):
        raise ResourceNotFound
    if export.deidentified:
        require_research(access.user, export.ward_id)
    else:
        require_right(access, export.level, export.ward_id)
    return export


def open_file(access: Access, file: ExportFile, still_good: Callable[[], bool]) -> Iterator[bytes]:
    """Yield blocks of NDJSON. still_good: tells whether the token or sign-in behind the request still holds.

    Raises Forbidden and Gone, also on the way when a right ends; SealedFileAltered.
    """
    if file.export.state != ExportState.DONE:
        raise Gone("This export is not there any longer.")
    if file.export.deidentified:
        require_still_consenting(file.export)
        return _whole(file)
    kind = type_named(file.type)
    _patients_of(access, kind)
    # The stream outlives the request, whose purpose and proof go on to count.
    return _blocks(access, kind, file, still_good, current())


def _patients_of(access: Access, kind: ResourceType) -> set[str]:
    if not permitted(access, kind):
        raise Forbidden(f"The right to {kind.name} ended.")
    visible = within_scope(Patient.objects.all(), access.scope(kind.action), patient_field="")
    return {str(key) for key in visible.values_list("pk", flat=True)} - {str(key) for key in access.withheld}


def _whole(file: ExportFile) -> Iterator[bytes]:
    lines = read_lines(path_of(file), key_of(file))
    while block := list(islice(lines, BLOCK)):
        yield b"\n".join(block) + b"\n"


def _blocks(
    access: Access, kind: ResourceType, file: ExportFile, still_good: Callable[[], bool], here: Asking
) -> Iterator[bytes]:
    """Yield what may still be seen. Whoever reads slowly is asked about again and again: a right ends a download."""
    patients, asked = set[str](), -ASK_EVERY_S
    lines = read_lines(path_of(file), key_of(file))
    while block := list(islice(lines, BLOCK)):
        with asking(here.purpose, here.fresh):
            if time.monotonic() - asked >= ASK_EVERY_S:
                if not still_good():
                    raise Forbidden("The right to this download ended.")
                mine(access, file.export_id)
                patients, asked = _patients_of(access, kind), time.monotonic()
            parts = [line.decode().split(" ", 2) for line in block]
            loose = [key for patient, key, _ in parts if patient == NOBODY]
            seen = {entry.id for entry in kind.read_many(access, loose)} if loose else set()
        kept = [text for patient, key, text in parts if patient in patients or (patient == NOBODY and key in seen)]
        if kept:
            yield ("\n".join(kept) + "\n").encode()
